import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { progressLine } from '../../src/cli/progress.ts';
import type { Reading } from '../../src/domain/reading.ts';
import { openDatabase } from '../../src/sqlite/database.ts';
import { systemClock } from '../../src/std/clock.ts';
import { startWebServer } from '../../src/web/server.ts';
import { parseTime } from '../../src/web/times.ts';
import { tocsin } from '../main/command.ts';
import { MemoryBackend } from '../web/memory-backend.ts';
import {
  createScene,
  fridge,
  logger,
  MINUTE_US,
  openHistory,
  recordHistory,
  recordJournal,
  type Scene,
  temperatures,
  writeHistory,
} from './recorded.ts';

const START = Date.UTC(2026, 2, 1) * 1000;
const HOUR_US = 60 * MINUTE_US;
const warm = (count: number): number[] => Array.from({ length: count }, () => 9);
const cold = (count: number): number[] => Array.from({ length: count }, () => 4);
/** d1: warm for 70 minutes at 2:00; d2: for 20 minutes at 6:00 and for 5 at 8:00. */
const DAY: readonly Reading[] = [
  ...temperatures(fridge('d1'), START, [...cold(24), ...warm(14), ...cold(250)]),
  ...temperatures(fridge('d2'), START + 1, [...cold(72), ...warm(4), ...cold(20), ...warm(1), ...cold(190)]),
].sort((left, right) => left.at - right.at);
const PERIOD = ['--from', '2026-03-01', '--to', '2026-03-02'];

/** No instance runs: only where one is meant is it asked. */
const run = ({ folder }: Scene, ...args: string[]) =>
  tocsin(['backtest', ...args, ...(args.includes('--url') ? [] : ['--no-operations'])], { cwd: folder });

const alertForm = z.object({
  id: z.string(),
  rule: z.string(),
  device: z.string(),
  firedAt: z.string(),
  endedAt: z.string().nullable(),
  durationMs: z.number(),
  level: z.enum(['info', 'warning', 'critical']),
  value: z.union([z.number(), z.boolean(), z.string()]).nullable(),
  summary: z.string(),
});
const counts = z.object({ info: z.number(), warning: z.number(), critical: z.number() });
const setForm = z.object({
  name: z.string(),
  alerts: z.array(alertForm),
  alertCount: z.number(),
  messages: z.array(
    z.object({
      at: z.string(),
      contact: z.string(),
      rule: z.string(),
      device: z.string(),
      kind: z.string(),
      subject: z.string(),
      reason: z.string(),
    }),
  ),
  messageCount: z.number(),
  messagesByContact: z.record(z.string(), z.number()),
  messagesByKind: z.record(z.string(), z.number()),
  operations: z.object({ taken: z.number(), leftOut: z.number() }),
  rules: z.array(
    z.object({
      rule: z.string(),
      alerts: z.number(),
      perWeek: z.number(),
      levels: counts,
      cancelled: z.number(),
      firingStill: z.number(),
      durationMs: z.object({ total: z.number(), median: z.number(), longest: z.number() }),
      messages: z.number(),
    }),
  ),
  firingBefore: z.number(),
  errors: z.array(z.object({ rule: z.string(), message: z.string(), count: z.number() })),
});
/** What `--json` prints: scripts rely on it. */
const reportForm = z.strictObject({
  source: z.string(),
  from: z.string().nullable(),
  to: z.string().nullable(),
  warmupMs: z.number(),
  readings: z.number(),
  tookMs: z.number(),
  remarks: z.array(z.string()),
  csv: z.object({ rows: z.number(), refused: z.number(), late: z.number(), problems: z.array(z.string()) }).nullable(),
  rules: setForm,
  against: setForm.nullable(),
  difference: z
    .object({
      onlyRules: z.array(alertForm),
      onlyAgainst: z.array(alertForm),
      changed: z.array(z.object({ rules: alertForm, against: alertForm })),
      same: z.number(),
      messages: z.array(z.object({ contact: z.string(), rules: z.number(), against: z.number() })),
      kinds: z.array(z.object({ kind: z.string(), rules: z.number(), against: z.number() })),
    })
    .nullable(),
});

async function report(scene: Scene, ...args: string[]) {
  const { status, stdout, stderr } = await run(scene, ...args, '--json');
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return reportForm.parse(JSON.parse(stdout));
}
const minutesOf = (time: string | null): number | null => (time === null ? null : ((parseTime(time) ?? Number.NaN) - START) / MINUTE_US);
const brief = (alerts: readonly z.infer<typeof alertForm>[]) =>
  alerts.map(({ device, level, firedAt, endedAt }) => [device, level, Math.floor(minutesOf(firedAt) ?? -1), endedAt !== null]);

describe('a backtest over the history', () => {
  it('prints the alerts and messages that would have been, and a line for each rule', async () => {
    using scene = createScene();
    await recordHistory(scene, DAY);
    const { status, stdout, stderr } = await run(scene, ...PERIOD);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(
      stdout.replace(/ in \d.*a second/, ''),
    ).toBe(`backtest of config/rules over the history, 2026-03-01T00:00:00Z to 2026-03-02T00:00:00Z (1d)
575 readings
read from 2h before on, to fill windows and to know what was firing

alerts (2)
  FIRED                 LASTED  LEVEL     RULE  DEVICE  VALUE  SUMMARY
  2026-03-01T02:10:00Z  1h      critical  warm  d1      9      warm on d1: 9
  2026-03-01T06:10:00Z  10m     warning   warm  d2      9      warm on d2: 9

messages (7)
  AT                    CONTACT   KIND      SUBJECT
  2026-03-01T02:10:30Z  pharmacy  firing    [WARNING] warm on d1: 9
  2026-03-01T03:00:00Z  pharmacy  level     [CRITICAL] warm on d1: 9
  2026-03-01T03:00:00Z  night     firing    [CRITICAL] warm on d1: 9
  2026-03-01T03:10:00Z  pharmacy  resolved  [RESOLVED] warm on d1: 4
  2026-03-01T03:10:00Z  night     resolved  [RESOLVED] warm on d1: 4
  2026-03-01T06:10:30Z  pharmacy  firing    [WARNING] warm on d2: 9
  2026-03-01T06:20:30Z  pharmacy  resolved  [RESOLVED] warm on d2: 4

messages by contact: pharmacy 5, night 2
messages by kind: firing 3, resolved 3, level 1

rules
  RULE  ALERTS  A WEEK  WARNING  CRITICAL  TOTAL  MEDIAN  LONGEST  STILL  CANCELLED  MESSAGES
  warm  2       14      2        1         1h10m  35m     1h       0      1          7
`);
  });

  it('lists no more than asked for, and says what there is beside', async () => {
    using scene = createScene();
    await recordHistory(scene, DAY);
    const { stdout } = await run(scene, ...PERIOD, '--limit', '1');
    expect(stdout).toContain('alerts (2)\n');
    expect(stdout).toMatch(/ {2}… and 1 more: --limit\n[\s\S]* {2}… and 6 more: --limit\n/);
  });

  it('knows what was firing before the period, and counts only what began in it', async () => {
    using scene = createScene();
    await recordHistory(scene, DAY);
    const { rules, warmupMs } = await report(scene, '--from', '2026-03-01T02:30:00Z', '--to', '2026-03-02');
    expect(warmupMs).toBe(7_200_000);
    expect(rules.firingBefore).toBe(1);
    expect(brief(rules.alerts)).toEqual([['d2', 'warning', 370, true]]);
    // What people would have been told in the period is told all the same.
    expect(rules.messages.map(({ subject }) => subject).slice(0, 2)).toEqual(['[CRITICAL] warm on d1: 9', '[CRITICAL] warm on d1: 9']);
  });

  it('has silence until the end of the period, and an alert that has not ended is firing still', async () => {
    const rules = `rules:
  - {id: quiet, devices: {profile: fridge}, levels: {warning: {when: "temperature > 100"}}, noData: {after: 30m, raise: critical}}
`;
    using scene = createScene({ 'config/rules/cold.yaml': rules });
    await recordHistory(scene, temperatures(fridge('d1'), START - 2 * HOUR_US, cold(36)));
    const { rules: set } = await report(scene, '--from', '2026-03-01', '--to', '2026-03-01T03:00:00Z');
    expect(brief(set.alerts)).toEqual([['d1', 'critical', 85, false]]);
    expect(set.alerts[0]?.durationMs).toBe(95 * 60_000);
    expect(set.rules[0]?.firingStill).toBe(1);
    // Listed, and not heard of at all: silent since before the period.
    expect(set.firingBefore).toBe(1);
  });

  it('takes profile and labels of devices that no file lists from the instance’s state', async () => {
    using scene = createScene({ 'devices/fleet.yaml': null });
    await recordHistory(scene, DAY);
    const without = await run(scene, ...PERIOD);
    expect(without.status).toBe(0);
    expect(without.stderr).toMatch(/^warning: nothing says what 2 of the devices are, such as d1, d2\nhint: .*fleet\.yaml/);
    expect(without.stdout).toContain('no alerts\n');
    using database = openDatabase(join(scene.folder, 'data/state.db'));
    database.exec('CREATE TABLE device (id TEXT PRIMARY KEY, partition INTEGER NOT NULL, body TEXT NOT NULL) STRICT, WITHOUT ROWID');
    const insert = database.prepare('INSERT INTO device VALUES (?, 0, ?)');
    for (const id of ['d1', 'd2']) insert.run(id, JSON.stringify({ ...fridge(id), position: 0, values: [] }));
    expect(brief((await report(scene, ...PERIOD)).rules.alerts)).toHaveLength(2);
  });

  it('reads while another process writes, which is not held up', async () => {
    using scene = createScene();
    const store = await openHistory(scene);
    await writeHistory(store, DAY);
    const results: Promise<unknown>[] = [];
    for (let round = 0; round < 3; round++) results.push(report(scene, ...PERIOD));
    let isOver = false;
    const all = Promise.all(results).finally(() => {
      isOver = true;
    });
    let written = 0;
    let longestMs = 0;
    while (!isOver) {
      const began = systemClock.monotonicMs();
      await writeHistory(store, temperatures(fridge('d2'), START + 2 + (written % 1000) * MINUTE_US, warm(20)));
      longestMs = Math.max(longestMs, systemClock.monotonicMs() - began);
      written += 1;
      await systemClock.sleep(1);
    }
    for (const result of await all)
      expect(brief(reportForm.parse(result).rules.alerts).filter(([device]) => device === 'd1')).toHaveLength(1);
    expect(written).toBeGreaterThan(20);
    expect(longestMs).toBeLessThan(3000);
    await store.close();
  });

  it('without a history says how to go on', async () => {
    using scene = createScene();
    expect(await run(scene, ...PERIOD)).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/^cannot read .*history\.db: .*\nhint: /),
    });
  });
});

describe('a backtest over the journal', () => {
  it('has readings when they were received, and alerts’ ids as the instance has them', async () => {
    using scene = createScene();
    // A device that was out of reach for an hour, and sends what it measured meanwhile.
    const held = temperatures(fridge('d1'), START, [...cold(3), ...warm(12)]);
    const readings = held.map((reading, index) => ({ ...reading, receivedAt: index < 3 ? reading.at : START + 71 * MINUTE_US + index }));
    await recordJournal(scene, readings);
    const { rules, source } = await report(scene, '--journal', ...PERIOD);
    expect(source).toMatch(/journal\.db$/);
    expect(brief(rules.alerts)).toEqual([['d1', 'critical', 25, false]]);
    expect(rules.messages.every(({ at }) => (minutesOf(at) ?? 0) >= 71)).toBe(true);
    const again = await report(scene, '--journal', ...PERIOD);
    expect(again.rules.alerts).toEqual(rules.alerts);
    await recordHistory(scene, readings);
    expect((await report(scene, ...PERIOD)).rules.alerts[0]?.id).not.toBe(rules.alerts[0]?.id);
  });
});

describe('what people did', () => {
  const at = (minutes: number): number => START + minutes * MINUTE_US;
  const match = { levels: null, rules: null, devices: null, alerts: null, labels: {} };
  const silence = { id: 's1', by: 'anna', comment: 'maintenance', startsAt: at(60), endsAt: at(200), match: { ...match, devices: ['d1'] } };
  const acknowledge = { kind: 'acknowledge', by: 'anna', comment: null, until: null } as const;
  const LOG = [
    { at: at(60), operation: { kind: 'silence', silence }, alerts: {} },
    { at: at(371), operation: { ...acknowledge, alert: 'a2' }, alerts: { a2: { rule: 'warm', device: 'd2' } } },
    { at: at(372), operation: { ...acknowledge, alert: 'a3' }, alerts: {} },
    { at: at(400), operation: { kind: 'reload', firedUntil: 0 }, alerts: {} },
    { at: at(3000), operation: { ...acknowledge, alert: 'a2' }, alerts: {} },
  ].map((entry, index) => ({ ...entry, number: index + 1, sequence: 1 }));

  async function instance(journalId: string) {
    const backend = new MemoryBackend();
    backend.journal = async () => ({ id: journalId, bytes: 0 });
    backend.operationLog = async ({ cursor = '0' }) => {
      const from = Number(cursor);
      return { items: LOG.slice(from, from + 2), next: from + 2 < LOG.length ? String(from + 2) : null };
    };
    const server = await startWebServer({ host: '127.0.0.1', port: 0, backend, logger, clock: systemClock });
    return { url: server.url, [Symbol.asyncDispose]: () => server.close() };
  }

  it('is done again, with the alerts of the replay; what is about none of them is counted', async () => {
    using scene = createScene();
    await using server = await instance(await recordJournal(scene, DAY));
    await recordHistory(scene, DAY);
    const { rules, remarks } = await report(scene, ...PERIOD, '--url', server.url);
    expect(rules.operations).toEqual({ taken: 2, leftOut: 1 });
    expect(remarks).toEqual([expect.stringMatching(/^1 time\(s\) within it .* by a reload/)]);
    // Nobody was told of d1 while it was silenced: of what came and went in it both hear at its end.
    expect(rules.messages.map(({ at: time, device, kind }) => [Math.round(2 * (minutesOf(time) ?? 0)) / 2, device, kind])).toEqual([
      [200.5, 'd1', 'mute-end'],
      [200.5, 'd1', 'mute-end'],
      [370.5, 'd2', 'firing'],
      [380.5, 'd2', 'resolved'],
    ]);
    const { stdout } = await run(scene, ...PERIOD, '--url', server.url);
    expect(stdout).toContain(
      'config/rules: 2 operations of people done again; 1 left out, as nothing fires there that they could be about\n',
    );
    expect(stdout).toContain('messages by contact: pharmacy 3, night 1\nmessages by kind: mute-end 2, firing 1, resolved 1\n');
  });

  it('of another instance, or of one that does not answer, is left out, with a remark', async () => {
    using scene = createScene();
    await recordJournal(scene, DAY);
    await recordHistory(scene, DAY);
    await using other = await instance('another');
    const { rules, remarks } = await report(scene, ...PERIOD, '--url', other.url);
    expect([rules.operations.taken, rules.messageCount, remarks]).toEqual([
      0,
      7,
      [expect.stringContaining('has another journal than the data folder')],
    ]);
    const none = await report(scene, ...PERIOD, '--url', 'http://127.0.0.1:1');
    expect(none.remarks).toEqual([expect.stringMatching(/^without what people did .* no Tocsin answers at/)]);
    expect((await report(scene, ...PERIOD, '--no-operations', '--url', other.url)).remarks).toEqual([]);
  });
});

describe('a backtest against other rules', () => {
  it('prints what differs: alerts of one only, those that fire at another time, and messages by contact', async () => {
    const other = `rules:
  - {id: warm, devices: {profile: fridge}, levels: {warning: {when: "temperature > limits.max", for: 15m}}}
  - {id: cool, devices: {profile: fridge}, levels: {info: {when: "temperature < limits.max", for: 10h}}}
`;
    using scene = createScene({ 'new/rules.yaml': other });
    await recordHistory(scene, DAY);
    const { difference, rules, against } = await report(scene, ...PERIOD, '--against', 'new');
    expect([rules.name, against?.name]).toEqual(['config/rules', 'new']);
    expect(difference?.onlyRules).toEqual([]);
    expect(brief(difference?.onlyAgainst ?? [])).toEqual([
      ['d1', 'info', 790, false],
      ['d2', 'info', 1085, false],
    ]);
    expect(difference?.changed.map(({ rules: first, against: second }) => [...brief([first]), ...brief([second])].flat())).toEqual([
      ['d1', 'critical', 130, true, 'd1', 'warning', 135, true],
      ['d2', 'warning', 370, true, 'd2', 'warning', 375, true],
    ]);
    expect(difference?.messages).toEqual([
      { contact: 'night', rules: 2, against: 0 },
      { contact: 'pharmacy', rules: 5, against: 9 },
    ]);
    expect(difference?.kinds).toEqual([
      { kind: 'firing', rules: 3, against: 4 },
      { kind: 'level', rules: 1, against: 0 },
      { kind: 'reminder', rules: 0, against: 3 },
      { kind: 'resolved', rules: 3, against: 2 },
    ]);
    const { stdout } = await run(scene, ...PERIOD, '--against', 'new');
    expect(stdout).toContain('backtest of config/rules and new over the history');
    expect(stdout).toContain('2026-03-01T02:10:00Z  warm  d1      5m later  1h → 55m  critical → warning\n');
    expect(stdout).toContain('no alerts only with config/rules\n');
    expect(stdout).toContain('messages: 7 → 9\n  night     2 → 0\n  pharmacy  5 → 9\n');
  });

  it('finds a rule set the same as itself', async () => {
    using scene = createScene();
    await recordHistory(scene, DAY);
    const { difference } = await report(scene, ...PERIOD, '--rules', 'config/rules', '--against', 'config/rules');
    expect(difference).toMatchObject({ onlyRules: [], onlyAgainst: [], changed: [], same: 2 });
  });
});

describe('a backtest over a CSV file', () => {
  const logger = resolve('../shared/data/timeseries/fridge-tag/qtagCLm_RCPJ00010_02.csv');
  const oracle = resolve('../shared/data/timeseries/fridge-tag/oracle_qtag_02.json');

  it.skipIf(!existsSync(logger))(
    `finds the alarms that the logger itself raised${existsSync(logger) ? '' : ` (no ${logger})`}`,
    async () => {
      const episode = z.object({ alarm: z.string(), minutes: z.number() });
      const alarms = z.object({
        single_high: z.object({ episodes: z.array(episode) }),
        single_low: z.object({ episodes: z.array(episode) }),
      });
      const oracleForm = z.object({ runs: z.array(z.object({ alarms })) });
      using scene = createScene({
        'config/rules/cold.yaml': `rules:
  - {id: high, devices: {profile: logger}, levels: {warning: {when: "temperature > 8", for: 30m}}}
  - {id: low, devices: {profile: logger}, levels: {warning: {when: "temperature < 2", for: 30m}}}
`,
        'devices/profiles/fridge.yaml': 'profile: logger\ntimezone: UTC\ninterval: 10m\nmetrics: {temperature: {path: temperature_c}}\n',
        'devices/fleet.yaml': 'devices:\n  - {id: tag, profile: logger}\n  - {id: other, profile: logger}\n',
      });
      const { rules, csv } = await report(scene, '--csv', logger, '--device', 'tag');
      expect(csv).toMatchObject({ refused: 0, late: 0 });
      const [run] = oracleForm.parse(JSON.parse(readFileSync(oracle, 'utf8'))).runs;
      const expected = [
        ...(run?.alarms.single_high.episodes ?? []).map((alarm) => ({ rule: 'high', ...alarm })),
        ...(run?.alarms.single_low.episodes ?? []).map((alarm) => ({ rule: 'low', ...alarm })),
      ];
      expect(expected.length).toBeGreaterThan(0);
      for (const { rule, alarm, minutes } of expected) {
        const at = Date.parse(`${alarm}:00Z`) * 1000;
        const found = rules.alerts.some((alert) => alert.rule === rule && Math.abs((parseTime(alert.firedAt) ?? 0) - at) <= 10 * MINUTE_US);
        // Episodes of 31 and 32 minutes are at the limit of what a log every ten minutes can show.
        if (minutes > 35) expect(found, `${rule} at ${alarm}`).toBe(true);
      }
    },
  );

  it('tells of rows that cannot be used, of columns that are missing, and of a device that no rule is for', async () => {
    using scene = createScene();
    const path = join(scene.folder, 'log.csv');
    writeFileSync(path, 'time,temperature\n2026-03-01T00:00:00Z,4\nx,4\n2026-03-01T00:05:00Z,99\n2026-03-01T00:10:00Z,5\n');
    const { status, stdout, stderr } = await run(scene, '--csv', path, '--device', 'd1');
    expect(status).toBe(0);
    expect(stderr.replaceAll(path, 'log.csv')).toBe('log.csv:3: "x" is no time\nlog.csv:4: temperature is 99, outside -40 to 60\n');
    expect(stdout).toContain('log.csv, 2026-03-01T00:00:00Z to 2026-03-01T00:10:00Z (10m)\n2 readings in ');
    const stranger = await run(scene, '--csv', path, '--device', 'x9');
    expect(stranger.stderr).toContain('x9 is taken for a fridge, which the rules are for; --profile says otherwise\n');
    const other = await run(scene, '--csv', path, '--device', 'x9', '--profile', 'frigde');
    expect([other.status, other.stderr]).toEqual([1, '--profile: there is no profile frigde\nhint: did you mean fridge?\n']);
    writeFileSync(path, 'time,temp\n2026-03-01T00:00:00Z,4\n');
    expect((await run(scene, '--csv', path, '--device', 'd1')).stderr).toContain(
      'a rule asks for temperature, and no column is called that\n',
    );
    writeFileSync(path, 'time,temp\n2026-03-01T00:00:00,4\n');
    expect(await run(scene, '--csv', path, '--device', 'd1')).toMatchObject({ status: 1, stderr: expect.stringContaining(':2: ') });
  });
});

describe('the command', () => {
  it.each([
    ['a time that is none', ['--from', 'yesterday'], /^--from yesterday: expected a time/],
    ['a period that ends before it begins', ['--from', '2026-03-02', '--to', '-100d', '--to', '2026-03-01'], /^--from must be before --to/],
    ['a file without a device', ['--csv', 'x.csv'], /^--csv needs --device/],
    ['a device without a file', ['--device', 'd1'], /^--device goes with --csv/],
    ['a file and the journal', ['--csv', 'x.csv', '--device', 'd1', '--journal'], /^--csv and --journal: one of them/],
    ['a zone that is none', ['--timezone', 'Mars/Olympus'], /^--timezone Mars\/Olympus: no IANA time zone/],
    ['a limit that is none', ['--limit', 'all'], /^--limit all: expected a whole number/],
    ['an option that is none', ['--form', '-7d'], /--form/],
  ])('refuses %s as wrong usage', async (_, args, message) => {
    using scene = createScene();
    const { status, stdout, stderr } = await run(scene, ...args);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toMatch(message);
  });

  it('ends with 1 where rules are wrong, its own or those it is compared with, and points at them', async () => {
    using scene = createScene({
      'new/rules.yaml': 'rules:\n  - {id: warm, devices: {profile: fridge}, levels: {warning: {when: "temprature > 8"}}}\n',
    });
    await recordHistory(scene, DAY);
    for (const option of ['--rules', '--against']) {
      const { status, stdout, stderr } = await run(scene, ...PERIOD, option, 'new');
      expect({ option, status, stdout }).toEqual({ option, status: 1, stdout: '' });
      expect(stderr).toMatch(/^new\/rules\.yaml:2:\d+: .*temprature/);
    }
  });

  it('takes times as how long ago, and the last seven days when none are given', async () => {
    using scene = createScene();
    await recordHistory(scene, temperatures(fridge('d1'), systemClock.now() - 3 * HOUR_US + MINUTE_US, [...warm(20), ...cold(10)]));
    const week = await report(scene);
    expect((parseTime(week.to ?? '') ?? 0) - (parseTime(week.from ?? '') ?? 0)).toBe(7 * 24 * HOUR_US);
    expect(week.rules.alerts).toHaveLength(1);
    const hour = await report(scene, '--from', '-1h');
    expect(hour.rules.alertCount).toBe(0);
    expect(hour.readings).toBe(30);
  });

  it('has help', async () => {
    using scene = createScene();
    const { status, stdout } = await run(scene, '--help');
    expect(status).toBe(0);
    expect(stdout).toMatch(/^usage: tocsin backtest /);
  });
});

describe('the progress bar', () => {
  it('has what is done, the rate, and the time left', () => {
    const before = { fraction: 0.25, count: 1_000_000, ms: 1000 };
    expect(progressLine('backtest', { fraction: 0.5, count: 3_000_000, ms: 6000 }, before)).toBe(
      'backtest ████████████░░░░░░░░░░░░  50 %  400,000 a second, 10s left',
    );
    expect(progressLine('x', { fraction: 2, count: 1, ms: 1 }, { fraction: 2, count: 1, ms: 1 })).toContain('100 %');
  });
});
