/** Transitions as alerting hands them out, and a notifying service over them. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { Registry } from 'prom-client';
import type { TransitionSource } from '../../src/alerts/transitions.ts';
import type { Alert, Backlog, Level, Transition, TransitionKind } from '../../src/domain/alert.ts';
import type { DeviceDirectory } from '../../src/domain/device.ts';
import type { Rule } from '../../src/domain/rule.ts';
import { ChannelHealth } from '../../src/notify/channels/channel-health.ts';
import type { EmailTimeouts } from '../../src/notify/channels/email.ts';
import { parseNotify } from '../../src/notify/config.ts';
import type { NotifyConfig } from '../../src/notify/notify-config.ts';
import { createNotifiers, createNotifying, type Notifying, type NotifyingOptions } from '../../src/notify/notifying.ts';
import { DELIVERY_TIMING } from '../../src/notify/settle.ts';
import { type Database, openDatabase } from '../../src/sqlite/database.ts';
import { systemClock } from '../../src/std/clock.ts';
import { metricOf, profileWith } from '../devices/profiles.ts';

export const START = Date.UTC(2026, 0, 2, 3, 4, 5) * 1000;

/** An append-only log of transitions, kept in memory, with a journal time of its own: each is a second after the one before. */
export class TransitionLog implements TransitionSource {
  readonly all: Transition[] = [];
  #passedTo = START;

  /** Up to which everything is evaluated, µs. */
  now(): number {
    return Math.max(this.#passedTo, this.all.at(-1)?.journaledAt ?? 0);
  }
  /** Readings have come meanwhile, and changed nothing. */
  pass(delayMs: number): void {
    this.#passedTo = this.now() + delayMs * 1000;
  }

  after(sequence: number, limit: number): Transition[] {
    return this.all.slice(sequence, sequence + limit);
  }
  latest(): number {
    return this.all.length;
  }

  add(kind: TransitionKind, alert: Partial<Alert> & { id: string }, more: Partial<Transition> = {}): Transition {
    const sequence = this.all.length + 1;
    const now = this.now() + 1_000_000;
    const count = this.all.filter((other) => other.alert.id === alert.id).length + 1;
    const transition: Transition = {
      id: `${alert.id}/${count}`,
      sequence,
      kind,
      fromLevel: null,
      at: now,
      receivedAt: systemClock.now(),
      journaledAt: now,
      reason: 'temperature > 8 held for 10m',
      ...more,
      alert: {
        rule: 'fridge-warm',
        device: 'fridge-01',
        level: 'critical',
        state: kind === 'resolved' || kind === 'cancelled' ? 'resolved' : kind === 'pending' ? 'pending' : 'firing',
        flags: [],
        since: START,
        firedAt: START + 600_000_000,
        resolvedAt: kind === 'resolved' ? START + 1_200_000_000 : null,
        value: 9.3,
        summary: 'Fridge 1 is at 9.3 °C',
        labels: { team: 'pharmacy', site: 'berlin' },
        ...alert,
      },
    };
    this.all.push(transition);
    return transition;
  }

  /** A transition of something that is long past. */
  late(kind: TransitionKind, alert: Partial<Alert> & { id: string }, more: Partial<Transition> = {}): Transition {
    return this.add(kind, { flags: ['retrospective'], ...alert }, more);
  }

  /** The end of a backlog with these alerts, each as the log last knew it. */
  backlog(ids: readonly string[], more: Partial<Backlog> = {}): Transition {
    const alerts = ids.flatMap((id): Alert[] => {
      const last = this.all.findLast(({ alert }) => alert.id === id)?.alert;
      return last === undefined ? [] : [{ ...last, flags: [] }];
    });
    const alert = alerts.find(({ state }) => state === 'firing') ?? alerts.at(-1);
    if (alert === undefined) throw new Error('a backlog of nothing');
    const span = { device: 'fridge-01', from: START, to: START + 7_800_000_000, more: 0 };
    return this.add('backlog', alert, { alert, reason: 'the backlog has ended', backlog: { ...span, alerts, ...more } });
  }
}

export const rule: Rule = {
  id: 'fridge-warm',
  place: { file: 'rules.yaml', line: 1, column: 1 },
  selector: { profile: 'vaccine-fridge', id: null, labels: {} },
  by: [],
  levels: (['warning', 'critical'] as Level[]).map((level) => ({
    level,
    when: { text: 'temperature > limits.temperature_max', place: { file: 'rules.yaml', line: 3, column: 9 } },
    forMs: 600_000,
    clear: null,
    count: null,
    keepFiringForMs: 0,
  })),
  noData: null,
  summary: null,
  flapping: null,
  description: 'Vaccines spoil above 8 °C.\nMove them first.',
  runbook: 'https://wiki.example.org/fridges',
  labels: { team: 'pharmacy' },
};

export const directory: DeviceDirectory = {
  profiles: [
    profileWith('vaccine-fridge', {
      topics: ['sensors/{device}/telemetry'],
      intervalMs: 300_000,
      metrics: [
        metricOf('door', { type: 'boolean' }),
        metricOf('temperature', { unit: '°C' }),
        metricOf('pm2.5', { path: 'pm', unit: 'µg/m³' }),
      ],
      limits: { temperature_max: 8, temperature_min: 2 },
    }),
  ],
  fleet: [{ id: 'fridge-01', profile: 'vaccine-fridge', labels: { site: 'berlin' }, limits: { temperature_max: 7 }, dependsOn: null }],
  groups: [],
  unknown: 'accept',
};

export function configOf(text: string): NotifyConfig {
  const { config, problems } = parseNotify({ path: 'notify.yaml', text });
  if (problems.length > 0) throw new Error(problems.map((problem) => problem.render()).join('\n'));
  return config;
}

/** Told at once, whatever the level; each alert by itself, however many. */
export const oneContact = configOf(
  '{contacts: {pharmacy: {email: pharmacy@example.org}}, default: {to: [pharmacy], groupWait: 0s}, storm: off, limits: off}',
);

/** Quick enough for a test, in the same order as in life. */
export const QUICK = { ...DELIVERY_TIMING, retryFirstMs: 50, retryMaxMs: 200 };

export interface Bench extends AsyncDisposable {
  readonly notifying: Notifying;
  readonly log: TransitionLog;
  readonly folder: string;
  readonly lines: Record<string, unknown>[];
  readonly registry: Registry;
  readonly database: Database;
  /** Alerts whose flags changed, each time. */
  readonly flagged: string[][];
  stop(): Promise<void>;
}

/** A running service on a state file of its own; pass `folder` and `log` to go on with those of another one. */
export function startNotifying(
  options: {
    smtp?: string | null;
    config?: NotifyConfig;
    log?: TransitionLog;
    folder?: string;
    timeouts?: EmailTimeouts;
  } & Partial<Pick<NotifyingOptions, 'timing' | 'waitingMax' | 'clock' | 'publicUrl' | 'notifiers' | 'draw' | 'health' | 'rules'>> = {},
): Bench {
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), 'tocsin-notify-'));
  const log = options.log ?? new TransitionLog();
  const lines: Record<string, unknown>[] = [];
  const logger = pino({ level: 'trace' }, { write: (line: string) => lines.push(JSON.parse(line) as Record<string, unknown>) });
  const registry = new Registry();
  const database = openDatabase(join(folder, 'state.db'));
  const clock = options.clock ?? systemClock;
  const { timeouts } = options;
  const settings = { smtp: options.smtp ?? null, from: 'Tocsin <tocsin@example.org>', mailDirectory: join(folder, 'mail') };
  const channels = { publish: null, version: '0.0.0-test', clock, logger, ...(timeouts && { timeouts }) };
  const notifiers = options.notifiers ?? createNotifiers({ ...settings, ...channels });
  const flagged: string[][] = [];
  const notifying = createNotifying({
    database,
    transitions: log,
    config: options.config ?? oneContact,
    rules: options.rules ?? [rule],
    directory,
    health: options.health ?? new ChannelHealth(),
    notifiers,
    journalTime: () => log.now(),
    alertOf: (id) => {
      const timeline = log.all.filter(({ alert }) => alert.id === id);
      const alert = timeline.at(-1)?.alert;
      return alert === undefined ? null : { ...alert, timeline };
    },
    draw: options.draw ?? null,
    onFlagged: (alerts) => flagged.push([...alerts]),
    clock,
    logger,
    registry,
    publicUrl: options.publicUrl ?? null,
    timing: options.timing ?? QUICK,
    ...(options.waitingMax !== undefined && { waitingMax: options.waitingMax }),
  });
  const stopping = new AbortController();
  const running = notifying.run(stopping.signal);
  let stopped: Promise<void> | null = null;
  const stop = (): Promise<void> => {
    stopped ??= (async () => {
      stopping.abort();
      await running.finally(async () => {
        for (const notifier of notifiers.values()) await notifier.close();
        database.close();
      });
    })();
    return stopped;
  };
  return {
    notifying,
    log,
    folder,
    lines,
    registry,
    database,
    flagged,
    stop,
    async [Symbol.asyncDispose]() {
      await stop();
      if (options.folder === undefined) rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Waits for a condition; fails with what it last saw. */
export async function eventually<T>(look: () => T, isGood: (seen: T) => boolean, withinMs = 15_000): Promise<T> {
  const limit = performance.now() + withinMs;
  for (;;) {
    const seen = look();
    if (isGood(seen)) return seen;
    if (performance.now() > limit) throw new Error(`not within ${withinMs} ms; last seen: ${JSON.stringify(seen)}`);
    await systemClock.sleep(10);
  }
}
