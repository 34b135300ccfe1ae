import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { Registry } from 'prom-client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AlertingOptions } from '../../src/alerts/alerting.ts';
import type { Transition } from '../../src/domain/alert.ts';
import { FLAG_DEVICE_TIME } from '../../src/domain/reading.ts';
import { type Database, openDatabase } from '../../src/sqlite/database.ts';
import { open, runToEnd } from './run.ts';
import { directoryOf, listed, MINUTE_US, metric, minutes, profileOf, ruleText, START_US } from './scenario.ts';
import { createStillClock, ScriptedJournal, type ScriptedReading } from './scripted-journal.ts';

const _logger = pino({ level: 'silent' });
const SHAPE = ['temperature'];
const _NOW = ruleText('{warning: {when: "temperature > 8"}}');
const _directory = directoryOf();

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tocsin-alerting-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const reading = (minute: number, temperature: number, device = 'fridge-01'): ScriptedReading => {
  const receivedAt = START_US + minute * MINUTE_US;
  const ref = { id: device, profile: 'vaccine-fridge', labels: {} };
  return { device: ref, metrics: SHAPE, values: [temperature], at: receivedAt, receivedAt, flags: FLAG_DEVICE_TIME };
};

const linesOf = (transitions: readonly Transition[]): string[] =>
  transitions.map(({ at, kind, alert }) => `${minutes(at)} ${kind} ${alert.device} ${alert.rule}`);

describe('what alerting stores', () => {
  it('transitions in order of commit, alerts with their timeline, devices with their values', async () => {
    using database = openDatabase(join(folder, 'state.db'));
    const journal = new ScriptedJournal();
    journal.append([reading(0, 9), reading(0, 5, 'fridge-02')]);
    journal.append([reading(5, 5)]);
    let woken = 0;
    const alerting = open(database, journal, { onTransitions: () => (woken += 1) });
    await runToEnd(alerting, journal);
    expect(linesOf(alerting.transitions.after(0, 10))).toEqual(['0m firing fridge-01 warm', '5m resolved fridge-01 warm']);
    expect(alerting.transitions.after(0, 10).map(({ sequence }) => sequence)).toEqual([1, 2]);
    expect(alerting.transitions.after(1, 10)).toHaveLength(1);
    expect(woken).toBe(2);
    const [alert] = alerting.alerts({ state: 'resolved', device: 'fridge-01' }).items;
    expect(alert).toMatchObject({ rule: 'warm', level: 'warning', state: 'resolved', value: 5 });
    expect(alerting.alert(alert?.id ?? '')?.timeline.map(({ kind }) => kind)).toEqual(['firing', 'resolved']);
    expect(alerting.alert('none')).toBeNull();
    expect(alerting.device('fridge-02')).toMatchObject({
      readings: 1,
      listed: false,
      maxGapMs: 900_000,
      values: { temperature: { value: 5 } },
    });
    expect(journal.released.at(-1)).toBe(3);
  });

  it('changes are logged from what was to what is', async () => {
    using database = openDatabase(join(folder, 'state.db'));
    const journal = new ScriptedJournal();
    journal.append([reading(0, 9), reading(5, 12), reading(10, 5)]);
    const lines: { change?: string; msg?: string }[] = [];
    const logger = pino({ level: 'debug' }, { write: (line: string) => lines.push(JSON.parse(line) as { change?: string }) });
    const text = ruleText('{warning: {when: "temperature > 8"}, critical: {when: "temperature > 10", for: 5m}}');
    await runToEnd(open(database, journal, { text, logger }), journal);
    journal.append([reading(20, 9)]);
    const waits = ruleText('{warning: {when: "temperature > 8", for: 5m}}');
    await runToEnd(open(database, journal, { text: waits, logger }), journal);
    journal.append([reading(21, 9), reading(25, 9), reading(30, 5), reading(35, 9), reading(36, 5)]);
    await runToEnd(open(database, journal, { text: waits, logger }), journal);
    expect(lines.flatMap(({ change }) => (change === undefined ? [] : [change]))).toEqual([
      'OK => FIRING warning',
      'FIRING warning => OK',
      'OK => PENDING',
      'PENDING => FIRING warning',
      'FIRING warning => OK',
      'OK => PENDING',
      'PENDING => OK',
    ]);
  });

  it('lists are paged, the latest alert first', async () => {
    using database = openDatabase(join(folder, 'state.db'));
    const journal = new ScriptedJournal();
    journal.append(Array.from({ length: 5 }, (_, index) => reading(index, 9, `fridge-0${index}`)));
    const alerting = open(database, journal);
    await runToEnd(alerting, journal);
    const first = alerting.alerts({ limit: 3 });
    expect(first.items.map(({ device }) => device)).toEqual(['fridge-04', 'fridge-03', 'fridge-02']);
    const second = alerting.alerts({ limit: 3, cursor: first.next ?? '' });
    expect(second.items.map(({ device }) => device)).toEqual(['fridge-01', 'fridge-00']);
    expect(second.next).toBeNull();
    const page = alerting.devices({ limit: 4 });
    expect([page.items.length, page.next]).toEqual([4, 'fridge-03']);
    expect(alerting.devices({ limit: 4, cursor: 'fridge-03' })).toMatchObject({ items: [{ id: 'fridge-04' }], next: null });
  });

  it('metrics count evaluations, open alerts, errors, late and conflicting values', async () => {
    using database = openDatabase(join(folder, 'state.db'));
    const journal = new ScriptedJournal();
    journal.append([reading(5, 9), reading(0, 5), { ...reading(5, 10) }]);
    const registry = new Registry();
    const text = ruleText('{warning: {when: "temperature > 8"}, critical: {when: "device.labels.none == \'x\'"}}');
    await runToEnd(open(database, journal, { registry, text }), journal);
    const metrics = await registry.metrics();
    expect(metrics).toContain('tocsin_rule_evaluations_total 2');
    expect(metrics).toContain('tocsin_alerts{level="warning",state="firing"} 1');
    expect(metrics).toContain('tocsin_rule_errors_total{rule="warm"} 2');
    expect(metrics).toContain('tocsin_late_values_total 1');
    expect(metrics).toContain('tocsin_conflict_values_total 1');
  });

  it('a reading that changes nothing costs no write', async () => {
    using database = openDatabase(join(folder, 'state.db'));
    const journal = new ScriptedJournal();
    for (let minute = 0; minute < 50; minute++) journal.append([reading(minute, 5)]);
    const alerting = open(database, journal);
    const before = Number(database.prepare('SELECT total_changes() AS n').get()?.n);
    await runToEnd(alerting, journal);
    const after = Number(database.prepare('SELECT total_changes() AS n').get()?.n);
    // One device row, the cursor, and when we were last alive, at the stop.
    expect(after - before).toBe(3);
  });
});

describe('start', () => {
  const refusal = (database: Database, journal: ScriptedJournal, options: Partial<AlertingOptions>): string => {
    try {
      open(database, journal, options);
    } catch (error) {
      return error instanceof Error ? error.message : '';
    }
    return 'none';
  };

  it('the state of another journal is refused', async () => {
    using database = openDatabase(join(folder, 'state.db'));
    const journal = new ScriptedJournal();
    await runToEnd(open(database, journal), journal);
    expect(refusal(database, journal, { journalId: 'journal-2' })).toBe('the alerting state belongs to another journal');
  });

  it('a cursor past the end is refused', async () => {
    using database = openDatabase(join(folder, 'state.db'));
    const journal = new ScriptedJournal();
    journal.append([reading(0, 5)]);
    await runToEnd(open(database, journal), journal);
    expect(refusal(database, new ScriptedJournal(), {})).toBe('the alerting state has seen position 1, and the journal ends at 0');
  });

  it('a rule that is gone closes its alerts with the reason removed', async () => {
    using database = openDatabase(join(folder, 'state.db'));
    const journal = new ScriptedJournal();
    journal.append([reading(0, 9)]);
    await runToEnd(open(database, journal), journal);
    const alerting = open(database, journal, { rules: [] });
    expect(alerting.transitions.after(0, 10).map(({ kind, reason }) => `${kind}: ${reason}`)[1]).toBe('resolved: removed');
    expect(alerting.alerts({ state: 'firing' }).items).toEqual([]);
    await runToEnd(alerting, journal);
    // And it is silent from then on.
    expect(open(database, journal, { rules: [] }).transitions.after(0, 10)).toHaveLength(2);
  });

  it('a device that leaves the fleet has its alerts closed with the reason removed, once', async () => {
    using database = openDatabase(join(folder, 'state.db'));
    const journal = new ScriptedJournal();
    journal.append([reading(0, 9)]);
    await runToEnd(open(database, journal, { directory: directoryOf({ fleet: [listed('fridge-01')] }) }), journal);
    await runToEnd(open(database, journal), journal);
    // It still speaks, and is watched like any device that is not listed.
    journal.append([reading(5, 9), reading(10, 9)]);
    await runToEnd(open(database, journal), journal);
    const alerting = open(database, journal);
    expect(alerting.transitions.after(0, 10).map(({ kind, reason }) => `${kind}: ${reason}`)).toEqual([
      'firing: temperature > 8 is true (temperature is 9)',
      'resolved: removed',
      'firing: temperature > 8 is true (temperature is 9)',
    ]);
  });

  it('who follows the transitions hears of alerts closed at the start once everything runs, not before', async () => {
    using database = openDatabase(join(folder, 'state.db'));
    const journal = new ScriptedJournal();
    journal.append([reading(0, 9)]);
    await runToEnd(open(database, journal), journal);
    let woken = 0;
    const without = open(database, journal, { text: 'rules: []', onTransitions: () => (woken += 1) });
    expect(woken).toBe(0);
    await runToEnd(without, journal);
    expect(woken).toBe(1);
  });

  it('a restart that changes nothing is silent', async () => {
    using database = openDatabase(join(folder, 'state.db'));
    const journal = new ScriptedJournal();
    journal.append([reading(0, 9)]);
    await runToEnd(open(database, journal), journal);
    const again = open(database, journal);
    await runToEnd(again, journal);
    expect(again.transitions.after(0, 10)).toHaveLength(1);
  });

  it('no-data counts the silence before the stop, from the registration of a device never seen', async () => {
    using database = openDatabase(join(folder, 'state.db'));
    const withFleet = directoryOf({ fleet: [listed('fridge-09')] });
    const text = ruleText('{warning: {when: "temperature > 8"}}', 'noData: {after: 15m, raise: warning}');
    const journal = new ScriptedJournal();
    const common = { text, directory: withFleet };
    await runToEnd(open(database, journal, common), journal);
    journal.ticks = [10, 15].map((minute) => START_US + minute * MINUTE_US);
    const later = open(database, journal, { ...common, clock: createStillClock(START_US + 10 * MINUTE_US) });
    await runToEnd(later, journal);
    expect(linesOf(later.transitions.after(0, 10))).toEqual(['15m firing fridge-09 warm']);
  });
});

describe('alerts that have ended', () => {
  /** Fires and resolves once a minute on each of the given devices. */
  const episodes = (journal: ScriptedJournal, count: number, device = 'fridge-01'): void => {
    for (let minute = 0; minute < 2 * count; minute++) journal.append([reading(minute, minute % 2 === 0 ? 9 : 5, device)]);
  };
  const rows = (database: Database, table: string): number => Number(database.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.n);

  it('are kept for 400 days from when we saw them end, with their transitions; open ones are kept for good', async () => {
    using database = openDatabase(join(folder, 'state.db'));
    const journal = new ScriptedJournal();
    episodes(journal, 3);
    journal.append([reading(10, 9, 'fridge-02')]);
    const clock = createStillClock(START_US);
    await runToEnd(open(database, journal, { clock }), journal);
    expect([rows(database, 'alert'), rows(database, 'transition')]).toEqual([4, 7]);
    const after = async (days: number) => {
      journal.ticks = [START_US + 20 * MINUTE_US];
      await runToEnd(open(database, journal, { clock: createStillClock(START_US + days * 1440 * MINUTE_US) }), journal);
      return [rows(database, 'alert'), rows(database, 'transition')];
    };
    expect(await after(399)).toEqual([4, 7]);
    expect(await after(401)).toEqual([1, 1]);
  });

  it('go earlier, the first ended first, past so many transitions, in bounded pieces', async () => {
    using database = openDatabase(join(folder, 'state.db'));
    const journal = new ScriptedJournal();
    episodes(journal, 50);
    await runToEnd(open(database, journal), journal);
    const latest = rows(database, 'transition');
    expect(latest).toBe(100);
    const registry = new Registry();
    const clock = createStillClock(START_US);
    journal.ticks = [START_US + 200 * MINUTE_US];
    const retention = { transitionsMax: 20, rowsPerPieceMax: 10 };
    const alerting = open(database, journal, { registry, clock, retention });
    await runToEnd(alerting, journal);
    // Two rows and the alert itself, three times, and the first transition of the next one.
    expect([rows(database, 'alert'), rows(database, 'transition')]).toEqual([47, 93]);
    expect(await registry.metrics()).toContain('tocsin_alerts_let_go_total 3');
    for (let piece = 0; piece < 20; piece++) {
      journal.ticks.push(START_US + (201 + piece) * MINUTE_US);
      await runToEnd(open(database, journal, { clock, retention }), journal);
    }
    expect([rows(database, 'alert'), rows(database, 'transition')]).toEqual([10, 20]);
    expect(alerting.transitions.latest()).toBe(100);
  });

  it('are kept whole while notifying has not worked through their transitions', async () => {
    using database = openDatabase(join(folder, 'state.db'));
    const journal = new ScriptedJournal();
    episodes(journal, 5);
    await runToEnd(open(database, journal), journal);
    journal.ticks = [START_US + 20 * MINUTE_US];
    // The third alert has fired as far as notifying knows.
    const alerting = open(database, journal, { retention: { transitionsMax: 0 }, followedTo: () => 5 });
    await runToEnd(alerting, journal);
    expect(alerting.transitions.after(0, 100).map(({ sequence }) => sequence)).toEqual([5, 6, 7, 8, 9, 10]);
    expect(rows(database, 'alert')).toBe(3);
  });

  it('an alert that stays open keeps its first transition and the latest ones, a thousand in all', async () => {
    using database = openDatabase(join(folder, 'state.db'));
    const journal = new ScriptedJournal();
    journal.batchesPerSlice = 50;
    const text = ruleText('{warning: {when: "temperature > 8"}, critical: {when: "temperature > 10"}}');
    for (let minute = 0; minute < 1500; minute++) journal.append([reading(minute, minute % 2 === 0 ? 9 : 12)]);
    await runToEnd(open(database, journal, { text, followedTo: () => 300 }), journal);
    expect(rows(database, 'transition')).toBe(1500 - 299);
    for (let minute = 1500; minute < 2000; minute++) journal.append([reading(minute, minute % 2 === 0 ? 9 : 12)]);
    const alerting = open(database, journal, { text });
    await runToEnd(alerting, journal);
    const [alert] = alerting.alerts({ state: 'firing' }).items;
    const timeline = alerting.alert(alert?.id ?? '')?.timeline ?? [];
    expect(timeline).toHaveLength(1000);
    expect([timeline[0]?.sequence, timeline[1]?.sequence, timeline.at(-1)?.sequence]).toEqual([1, 1002, 2000]);
  });

  it('on a full disk stay for now, and evaluation goes on', async () => {
    using database = openDatabase(join(folder, 'state.db'));
    const journal = new ScriptedJournal();
    episodes(journal, 5);
    await runToEnd(open(database, journal), journal);
    const warnings: string[] = [];
    const logger = pino({ level: 'warn' }, { write: (line: string) => warnings.push(line) });
    journal.ticks = [START_US + 20 * MINUTE_US];
    const alerting = open(database, journal, { retention: { transitionsMax: 0 }, logger });
    database.exec('PRAGMA query_only = ON');
    const stop = new AbortController();
    journal.onEnd = () => {
      database.exec('PRAGMA query_only = OFF');
      stop.abort();
    };
    await alerting.run(stop.signal);
    expect(warnings.join()).toContain('old alerts cannot be let go; trying again later');
    expect(rows(database, 'alert')).toBe(5);
  });
});

it('a full disk delays a transition, and neither loses nor doubles it', async () => {
  using database = openDatabase(join(folder, 'state.db'));
  const journal = new ScriptedJournal();
  for (let minute = 0; minute < 40; minute++)
    journal.append(Array.from({ length: 20 }, (_, index) => reading(minute, minute % 2 === 0 ? 9 : 5, `fridge-${index}`)));
  const pages = Number(database.prepare('PRAGMA page_count').get()?.page_count);
  database.exec(`PRAGMA max_page_count = ${pages + 20}`);
  const clock = createStillClock(START_US);
  let waits = 0;
  const registry = new Registry();
  const alerting = open(database, journal, {
    registry,
    clock: {
      ...clock,
      async sleep() {
        waits += 1;
        if (waits % 3 === 0)
          database.exec(`PRAGMA max_page_count = ${Number(database.prepare('PRAGMA page_count').get()?.page_count) + 20}`);
      },
    },
  });
  await runToEnd(alerting, journal);
  expect(waits).toBeGreaterThan(2);
  expect(await registry.metrics()).toContain(`tocsin_alerting_commit_retries_total ${waits}`);
  const transitions = alerting.transitions.after(0, 10_000);
  expect(transitions).toHaveLength(40 * 20);
  expect(new Set(transitions.map(({ id }) => id)).size).toBe(40 * 20);
});

describe('the fridge logger', () => {
  const path = '../shared/data/timeseries/fridge-tag/qtagCLm_RCPJ00010_02.csv';
  const rows = readRows(path);

  it.skipIf(rows === null)(
    `raises the alarms that the logger raised, within one log interval${rows === null ? ` (no ${path})` : ''}`,
    async () => {
      using database = openDatabase(join(folder, 'state.db'));
      const fridge = directoryOf({
        profiles: [profileOf({ name: 'logger', intervalMs: 600_000, metrics: [metric('temperature')], limits: {} })],
      });
      const text = `rules:
  - {id: high, devices: {profile: logger}, levels: {warning: {when: "temperature > 8.0", for: 30m}}}
  - {id: low, devices: {profile: logger}, levels: {warning: {when: "temperature < 2.0", for: 30m}}}
`;
      const journal = new ScriptedJournal();
      const receivedAt = Date.UTC(2026, 0, 1) * 1000;
      for (const [index, { at, temperature }] of (rows ?? []).entries()) {
        const device = { id: 'logger-1', profile: 'logger', labels: {} };
        journal.append([
          { device, metrics: SHAPE, values: [temperature], at, receivedAt: receivedAt + index * 1000, flags: FLAG_DEVICE_TIME },
        ]);
      }
      const alerting = open(database, journal, { text, directory: fridge });
      await runToEnd(alerting, journal);
      const fired = alerting.transitions.after(0, 10_000).filter(({ kind }) => kind === 'firing');
      const oracle = JSON.parse(readFileSync('../shared/data/timeseries/fridge-tag/oracle_qtag_02.json', 'utf8')).runs[0].alarms;
      const expected = [...oracle.single_high.episodes.map(alarmOf('high')), ...oracle.single_low.episodes.map(alarmOf('low'))];
      for (const { rule, at, minutes: lasted } of expected) {
        const near = fired.find((transition) => transition.alert.rule === rule && Math.abs(transition.at - at) <= 10 * MINUTE_US);
        // The two episodes of 31 and 32 minutes are at the limit of what a log every ten minutes can show.
        if (lasted > 35) expect(near, `${rule} at ${new Date(at / 1000).toISOString()}`).toBeDefined();
      }
      // What the logger did not raise is at the limit too: four readings in a row span 30 minutes, and it may have seen a
      // minute above in between. Such an alarm is over with the next reading of the log.
      for (const { alert, at } of fired) {
        if (expected.some((alarm) => alarm.rule === alert.rule && Math.abs(alarm.at - at) <= 10 * MINUTE_US)) continue;
        const end = alerting.alert(alert.id)?.resolvedAt ?? Number.POSITIVE_INFINITY;
        expect(end - at, `${alert.rule} at ${new Date(at / 1000).toISOString()}`).toBeLessThanOrEqual(10 * MINUTE_US);
      }
    },
  );
});

const alarmOf =
  (rule: string) =>
  ({ alarm, minutes: lasted }: { alarm: string; minutes: number }) => ({ rule, at: Date.parse(`${alarm}:00Z`) * 1000, minutes: lasted });

function readRows(path: string): { at: number; temperature: number }[] | null {
  try {
    const lines = readFileSync(path, 'utf8').trim().split('\n').slice(1);
    return lines.map((line) => {
      const [time = '', temperature = ''] = line.split(',');
      return { at: Date.parse(`${time}Z`) * 1000, temperature: Number(temperature) };
    });
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
}
