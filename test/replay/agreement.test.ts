/**
 * Live and replay agree to the byte on the same journal and the same log of operations: random readings, operations of people,
 * reloads, stops and kills, in an order of its own each run. `AGREEMENT_RUNS=500 AGREEMENT_SEED=7` run more, or one again.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { Transition } from '../../src/domain/alert.ts';
import type { DeviceDirectory } from '../../src/domain/device.ts';
import type { AlertMatch, LoggedOperation, Operation } from '../../src/domain/operation.ts';
import { FLAG_DEVICE_TIME } from '../../src/domain/reading.ts';
import type { NotifyConfig } from '../../src/notify/notify-config.ts';
import type { Scheduled } from '../../src/replay/dispatching.ts';
import { Replay } from '../../src/replay/replay.ts';
import { directoryOf, listed, MINUTE_US, profileOf, rulesOf, START_US } from '../alerts/scenario.ts';
import type { ScriptedReading } from '../alerts/scripted-journal.ts';
import { configOf } from '../notify/fixtures.ts';
import { JOURNAL_ID, LiveInstance, settled } from './live-instance.ts';

const RUNS = Number(process.env.AGREEMENT_RUNS ?? 20);
const FIRST_SEED = Number(process.env.AGREEMENT_SEED ?? 1);

const RULES = `rules:
  - id: warm
    devices: {profile: vaccine-fridge}
    levels:
      warning:  {when: "temperature > limits.temperature_max", for: 10m, clear: "temperature < limits.temperature_max - 0.5"}
      critical: {when: "temperature > 10", for: 20m}
    noData: {after: 30m, raise: warning}
    flapping: {changes: 3, in: 90m}
    summary: "{{device.name}} is at {{temperature}} °C"
    labels: {team: pharmacy}
  - id: door
    devices: {profile: vaccine-fridge}
    levels: {info: {when: "door", for: 5m}, warning: {when: "door && temperature > 7", for: 5m}}
    flapping: off
  - id: damp
    devices: {profile: vaccine-fridge}
    levels: {warning: {when: "humidity > 60"}, critical: {when: "humidity > 80"}}
    flapping: {changes: 4, in: 30m}
  - id: offline
    devices: {profile: vaccine-fridge}
    levels: {info: {when: "availability == false"}, warning: {when: "availability == false", for: 20m}}
`;
const CONTACTS = `
contacts:
  night: {email: night@example.org}
  pharmacy: {email: pharmacy@example.org}
  bystander: {email: b@example.org}
  ann: {email: ann@example.org}
  desk: {onCall: [{schedule: office, to: ann}, {to: night}]}
schedules:
  - {id: office, zone: Europe/Berlin, windows: [{days: mon-fri, from: "03:00", to: "06:30"}]}
  - {id: quiet, zone: UTC, windows: [{from: "04:00", to: "05:15"}, {from: "08:00", to: "08:20"}]}
`;
const CONFIGS: readonly NotifyConfig[] = [
  `${CONTACTS}
routes:
  - {match: {rule: door, level: info}, to: []}
  - {match: {level: critical}, to: [pharmacy, desk], groupWait: 0s, repeatInterval: 30m}
  - {match: {labels.site: berlin}, to: [bystander], continue: true, groupBy: [labels.site], groupWait: {warning: 2m}, groupInterval: 10m, sendResolved: false}
  - {match: {rule: damp}, to: [desk], muted: quiet, groupBy: [rule], repeatInterval: 50m}
default: {to: [pharmacy], groupInterval: 7m, repeatInterval: 1h}
inhibitions: [{source: {rule: warm, level: critical}, target: {rule: [door, damp]}, equal: [device]}]
escalations:
  - {match: {level: critical}, steps: [{after: 5m, to: [ann]}, {after: 25m, to: [night, bystander]}], loop: true}
  - {match: {rule: warm}, steps: [{after: 40m, to: [bystander]}]}
storm: {after: 2, in: 6m}
limits: {perHour: 3}`,
  `${CONTACTS}
routes:
  - {match: {level: critical}, to: [pharmacy, night], groupBy: [], groupInterval: 3m}
  - {match: {rule: damp}, to: [desk], active: quiet, groupBy: [rule], repeatInterval: 50m}
default: {to: [pharmacy, ann], groupBy: [labels.site, level], groupWait: 1m, repeatInterval: 45m}
inhibitions:
  - {source: {rule: "d*"}, target: {rule: "*"}, equal: [labels.site]}
escalations: [{match: {level: [warning, critical]}, steps: [{after: 15m, to: [desk]}, {after: 20m, to: [night]}]}]
storm: off
limits: off`,
  `
contacts: {night: {email: night@example.org}, pharmacy: {email: second@example.org}}
routes: [{match: {rule: damp}, to: [night], groupBy: [rule], continue: true}]
default: {to: [pharmacy], repeatInterval: 20m}
storm: {after: 1, in: 3m}
limits: {perHour: 2}`,
].map(configOf);

/** mulberry32 */
function randomOf(seed: number) {
  let state = seed;
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
  const int = (below: number): number => Math.floor(next() * below);
  const pick = <T>(items: readonly T[]): T => {
    const item = items[int(items.length)];
    if (item === undefined) throw new Error('nothing to pick from');
    return item;
  };
  return { next, int, pick, chance: (share: number): boolean => next() < share };
}
type Random = ReturnType<typeof randomOf>;

const fridge = (id: string, site: string | null) => ({ id, profile: 'vaccine-fridge', labels: site === null ? {} : { site } });
const FRIDGES = [fridge('fridge-01', 'berlin'), fridge('fridge-02', null), fridge('fridge-03', 'berlin'), fridge('fridge-04', 'ulm')];
/** One that has moved, one that is the same in another object, and one that no rule is for. */
const DEVICES = [
  ...FRIDGES,
  ...FRIDGES,
  fridge('fridge-02', 'berlin'),
  fridge('fridge-01', 'berlin'),
  { id: 'lamp', profile: null, labels: {} },
];
const METRICS = ['temperature', 'humidity', 'door'];
const SHORT = ['temperature'];
const SAID = ['availability'];

function directoryFor(random: Random): DeviceDirectory {
  const profile = profileOf({
    decode: 'zigbee2mqtt',
    retrospectiveAfterMs: random.pick([null, 600_000]),
    latenessMs: random.pick([0, 0, 360_000]),
  });
  return directoryOf({
    profiles: [profile],
    fleet: [
      listed('fridge-01', { labels: { site: 'berlin' }, limits: { temperature_max: 7 }, dependsOn: random.pick([null, 'fridge-02']) }),
      listed('never-seen'),
    ],
  });
}

function scriptFor(random: Random): { script: ScriptedReading[][]; endUs: number } {
  let receivedAt = START_US + random.int(60) * 1_000_003;
  const script = Array.from({ length: 20 + random.int(60) }, () =>
    Array.from({ length: random.pick([1, 1, 2, 5]) }, (): ScriptedReading => {
      // Also to the second at which something else is due.
      receivedAt += random.pick([0, 0, 30_000_000, MINUTE_US, 2 * MINUTE_US, 5 * MINUTE_US, 5 * MINUTE_US, 12 * MINUTE_US, 40 * MINUTE_US]);
      const age = random.pick([null, 0, 0, 0, 0, 3, 90]);
      const values = [random.pick([5, 6.8, 7.2, 9, 10.5, 12]), random.pick([50, 50, 70, 90]), random.chance(0.3)];
      const at = receivedAt - (age ?? 0) * MINUTE_US;
      const device = random.pick(DEVICES);
      if (random.chance(0.15)) return { device, metrics: SAID, values: [random.chance(0.5)], at: receivedAt, receivedAt, flags: 0 };
      return {
        device,
        ...(random.chance(0.2) ? { metrics: SHORT, values: values.slice(0, 1) } : { metrics: METRICS, values }),
        at,
        receivedAt,
        flags: age === null ? 0 : FLAG_DEVICE_TIME,
      };
    }),
  );
  return { script, endUs: receivedAt + 150 * MINUTE_US };
}

interface LiveRun {
  readonly transitions: readonly Transition[];
  readonly messages: readonly Told[];
  readonly decisions: readonly string[];
  readonly initial: NotifyConfig;
  readonly log: readonly Scheduled[];
}

interface Told {
  readonly id: string;
  readonly contact: string;
  readonly at: number;
  /** Null where live told of several messages in one, because they were decided on at once. */
  readonly content: { readonly subject: string; readonly text: string | null; readonly content: unknown } | null;
}

/** Drives an instance at random until everything is read and every timer up to the end has fired. */
class Driver {
  readonly #random: Random;
  readonly #live: LiveInstance;
  readonly #endUs: number;
  #config: NotifyConfig;
  #initial: NotifyConfig | null = null;
  readonly #log: Scheduled[] = [];
  readonly #silences: string[] = [];
  #read = 0;

  constructor(random: Random, live: LiveInstance, options: { config: NotifyConfig; endUs: number }) {
    this.#random = random;
    this.#live = live;
    this.#config = options.config;
    this.#endUs = options.endUs;
  }

  async run(): Promise<LiveRun> {
    const { journal } = this.#live;
    while (!journal.isWhole) await this.#step();
    for (let step = 0; step < 30; step++) await this.#step();
    this.#live.isPrompt = true;
    for (let turn = 0; turn < 500 && !this.#isDone(); turn++) {
      journal.time = Math.min(this.#endUs, journal.time + this.#random.int(10) * MINUTE_US);
      journal.answer(100);
      this.#live.notifying.wake();
      await settled();
      this.#readLog();
    }
    expect(this.#isDone()).toBe(true);
    const initial = this.#initial ?? this.#config;
    return { ...outcomeOf(this.#live), initial, log: this.#log };
  }

  #isDone(): boolean {
    const { alerting, notifying, journal } = this.#live;
    const isRead = journal.isAtEnd && alerting.journalTime() === this.#endUs;
    return isRead && notifying.followedTo() === alerting.transitions.latest() && notifying.nextDue() > this.#endUs;
  }

  async #step(): Promise<void> {
    const random = this.#random;
    const { journal, notifying } = this.#live;
    const what = random.int(100);
    if (what < 30) journal.append(1 + random.int(4));
    else if (what < 65) journal.answer(1 + random.int(3));
    else if (what < 75) journal.time += Math.floor(random.next() * Math.max(0, journal.timeMax - journal.time));
    else if (what < 82) notifying.wake();
    else if (what < 84) this.#live.isPrompt = !this.#live.isPrompt;
    else if (what < 94) this.#operate();
    else if (what < 97) await this.#restart(this.#config);
    else await this.#restart(random.pick(CONFIGS));
    await settled();
    this.#readLog();
  }

  async #restart(config: NotifyConfig): Promise<void> {
    const random = this.#random;
    if (random.chance(0.5)) await this.#live.kill(config);
    else {
      await this.#live.restart(config, async () => {
        if (random.chance(0.5)) this.#live.journal.answer(2);
        await settled();
        this.#readLog();
      });
    }
    this.#config = config;
  }

  /** Which config it was that a reload in the log began with is only known now. */
  #readLog(): void {
    const { database, notifying } = this.#live;
    if (this.#initial === null && database.prepare(`SELECT 1 FROM notify_state WHERE kind = 'meta'`).get() !== undefined)
      this.#initial = this.#config;
    for (const { number, at, sequence, operation } of notifying.operations(this.#read, 1000)) {
      this.#read = number;
      this.#log.push({ at, sequence, operation: operation.kind === 'reload' ? { ...operation, ...deciderOf(this.#config) } : operation });
    }
  }

  #operate(): void {
    const operation = this.#operation();
    if (operation !== null) this.#live.operate(operation);
  }

  #operation(): Operation | null {
    const random = this.#random;
    const { alerting, journal } = this.#live;
    const by = random.pick(['anna', 'ben']);
    const kind = random.pick(['acknowledge', 'acknowledge', 'unacknowledge', 'comment', 'silence', 'silence', 'end-silence'] as const);
    const inMinutes = (): number => journal.time + (1 + random.int(90)) * MINUTE_US;
    if (kind === 'silence') {
      const id = this.#silences.length > 0 && random.chance(0.3) ? random.pick(this.#silences) : `s${this.#silences.length}`;
      this.#silences.push(id);
      const startsAt = random.chance(0.7) ? journal.time : inMinutes();
      const endsAt = random.chance(0.3) ? null : startsAt + (1 + random.int(90)) * MINUTE_US;
      return { kind, silence: { id, match: this.#match(), by, comment: random.pick(['', 'maintenance']), startsAt, endsAt } };
    }
    if (kind === 'end-silence') return this.#silences.length === 0 ? null : { kind, silence: random.pick(this.#silences), by };
    const firing = alerting.alerts({ state: 'firing' }).items;
    if (firing.length === 0) return null;
    const alert = random.pick(firing).id;
    if (kind === 'acknowledge')
      return { kind, alert, by, comment: random.pick([null, 'on my way']), until: random.pick([null, inMinutes()]) };
    return kind === 'comment' ? { kind, alert, by, comment: 'the door was open' } : { kind, alert, by };
  }

  #match(): AlertMatch {
    const random = this.#random;
    const any = { levels: null, rules: null, devices: null, alerts: null, labels: {} };
    const firing = this.#live.alerting.alerts({ state: 'firing' }).items;
    return random.pick<AlertMatch>([
      { ...any, rules: [random.pick(['warm', 'd*', 'damp'])] },
      { ...any, devices: [random.pick(FRIDGES).id] },
      { ...any, labels: { site: [random.pick(['berlin', ''])] } },
      { ...any, levels: ['warning'] },
      ...(firing.length > 0 ? [{ ...any, alerts: [random.pick(firing).id] }] : []),
    ]);
  }
}

let compiled: ReturnType<typeof rulesOf> = [];
const deciderOf = (notify: NotifyConfig) => ({ notify, ruleTexts: compiled.map(({ rule }) => rule) });

function outcomeOf(live: LiveInstance): Pick<LiveRun, 'transitions' | 'messages' | 'decisions'> {
  const { database, alerting, notifying, texts } = live;
  const rows = database.prepare('SELECT id, contact, decided_at, subject, content, replaces FROM notify_message ORDER BY number').all();
  const messages = rows.map((row): Told => {
    const [id, subject] = [String(row.id), String(row.subject)];
    const content = row.replaces === '[]' ? { subject, text: texts.get(id) ?? null, content: JSON.parse(String(row.content)) } : null;
    return { id, contact: String(row.contact), at: Number(row.decided_at), content };
  });
  const transitions = alerting.transitions.after(0, 100_000);
  const alerts = [...new Set(transitions.map(({ alert }) => alert.id))];
  const decisions = alerts.flatMap((alert) =>
    notifying.timeline(alert).flatMap(({ kind, transition, detail, at }) => (kind === 'decision' ? [`${at} ${transition} ${detail}`] : [])),
  );
  return { transitions, messages, decisions };
}

function replayed(live: LiveRun, script: readonly (readonly ScriptedReading[])[], of: { directory: DeviceDirectory; endUs: number }) {
  const transitions: Transition[] = [];
  const messages: Told[] = [];
  const refused: unknown[] = [];
  const kinds = new Set<string>();
  const replay = new Replay({
    ...deciderOf(live.initial),
    rules: compiled,
    directory: of.directory,
    journalId: JOURNAL_ID,
    startsAt: START_US,
    operations: live.log,
    onOperated: (operation, result) => {
      if (!result.done) refused.push({ operation, result });
    },
    onTransition: (transition) => transitions.push(transition),
    onMessage: ({ id, contact, at, subject, text, content }) => {
      kinds.add(content.cause.kind);
      messages.push({ id, contact, at, content: { subject, text, content: JSON.parse(JSON.stringify(content)) } });
    },
  });
  for (const reading of script.flat()) replay.reading(reading);
  replay.until(of.endUs);
  const alerts = [...new Set(transitions.map(({ alert }) => alert.id))];
  const decisions = alerts.flatMap((id) =>
    replay.decisions.flatMap(({ alert, transition, reason, at }) => (alert === id ? [`${at} ${transition} ${reason}`] : [])),
  );
  return { transitions, messages, decisions, refused, kinds };
}

/** Live has no text of what had been replaced before it was sent, or was sent in place of others. */
function comparable(live: readonly Told[], replay: readonly Told[]): { live: Told[]; replay: Told[]; whole: number } {
  const ofLive = new Map(live.map((told) => [told.id, told]));
  const kept = replay.map((told): Told => {
    const other = ofLive.get(told.id);
    if (other === undefined) return told;
    if (other.content === null || told.content === null) return { ...told, content: null };
    return other.content.text === null ? { ...told, content: { ...told.content, text: null } } : told;
  });
  const byTime = (told: readonly Told[]): Told[] => told.toSorted((a, b) => a.at - b.at || (a.id < b.id ? -1 : 1));
  return { live: byTime(live), replay: byTime(kept), whole: live.filter(({ content }) => content?.text != null).length };
}

async function once(seed: number): Promise<{ kinds: Set<string>; messages: number; whole: number; log: readonly LoggedOperation[] }> {
  const random = randomOf(seed);
  const directory = directoryFor(random);
  compiled = rulesOf(RULES, directory);
  const { script, endUs } = scriptFor(random);
  const config = random.pick(CONFIGS);
  const folder = mkdtempSync(join(tmpdir(), 'tocsin-agreement-'));
  const live = new LiveInstance(
    { folder, script, endUs, rules: compiled, directory, publicUrl: null, waitingMax: random.pick([2, 1000]) },
    config,
  );
  try {
    const outcome = await new Driver(random, live, { config, endUs }).run();
    const replay = replayed(outcome, script, { directory, endUs });
    const seen = comparable(outcome.messages, replay.messages);
    expect({ seed, transitions: replay.transitions }).toEqual({ seed, transitions: outcome.transitions });
    expect({ seed, refused: replay.refused }).toEqual({ seed, refused: [] });
    expect({ seed, decisions: replay.decisions }).toEqual({ seed, decisions: outcome.decisions });
    const brief = (told: readonly Told[]): string[] => told.map(({ id, contact, at }) => `${at} ${contact} ${id}`);
    expect({ seed, messages: brief(seen.replay) }).toEqual({ seed, messages: brief(seen.live) });
    expect({ seed, messages: seen.replay }).toEqual({ seed, messages: seen.live });
    const log = outcome.log.map((entry, index) => ({ ...entry, number: index, sequence: entry.sequence ?? 0 }));
    return { kinds: replay.kinds, messages: seen.live.length, whole: seen.whole, log };
  } finally {
    await live.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

it('live and replay tell the same, to the byte, whatever people do and however it runs', async () => {
  const kinds = new Set<string>();
  const operations = new Map<string, number>();
  let messages = 0;
  let whole = 0;
  for (let seed = FIRST_SEED; seed < FIRST_SEED + RUNS; seed++) {
    const run = await once(seed);
    for (const kind of run.kinds) kinds.add(kind);
    for (const { operation } of run.log) operations.set(operation.kind, (operations.get(operation.kind) ?? 0) + 1);
    messages += run.messages;
    whole += run.whole;
  }
  if (RUNS < 20) return;
  expect([...kinds].sort()).toEqual(['backlog', 'digest', 'escalation', 'mute-end', 'reminder', 'storm', 'update']);
  // The rest live told in one with others, as they were decided on in one go.
  expect(whole).toBeGreaterThan(messages / 5);
  for (const kind of ['acknowledge', 'unacknowledge', 'comment', 'silence', 'end-silence', 'reload'])
    expect(operations.get(kind)).toBeGreaterThan(3);
}, 600_000);
