/** What people did is on disk when they are told so, and is handed out in order, as it was. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LEVELS } from '../../src/domain/alert.ts';
import type { LoggedOperation, Operation } from '../../src/domain/operation.ts';
import { OperationLog } from '../../src/notify/operation-log.ts';
import { Outbox } from '../../src/notify/outbox.ts';
import { openDatabase } from '../../src/sqlite/database.ts';
import { Unavailable } from '../../src/std/errors.ts';
import { freePort, startSmtp } from './channels/smtp.ts';
import { eventually, START, startNotifying, TransitionLog } from './fixtures.ts';

const texts = fc.option(fc.array(fc.string(), { maxLength: 3 }), { nil: null });
const text = fc.string();
const at = fc.nat(2 ** 40);
const operations: fc.Arbitrary<LoggedOperation['operation']> = fc.oneof(
  fc.record({
    kind: fc.constant('acknowledge' as const),
    alert: text,
    by: text,
    comment: fc.option(text, { nil: null }),
    until: fc.option(at, { nil: null }),
  }),
  fc.record({ kind: fc.constant('unacknowledge' as const), alert: text, by: text }),
  fc.record({ kind: fc.constant('comment' as const), alert: text, by: text, comment: text }),
  fc.record({
    kind: fc.constant('silence' as const),
    silence: fc.record({
      id: text,
      match: fc.record({
        levels: fc.option(fc.array(fc.constantFrom(...LEVELS)), { nil: null }),
        rules: texts,
        devices: texts,
        alerts: texts,
        labels: fc.dictionary(text, fc.array(text, { maxLength: 2 }), { noNullPrototype: true }),
      }),
      by: text,
      comment: text,
      startsAt: at,
      endsAt: fc.option(at, { nil: null }),
    }),
  }),
  fc.record({ kind: fc.constant('end-silence' as const), silence: text, by: text }),
  fc.record({ kind: fc.constant('reload' as const), firedUntil: at }),
);

describe('the log of operations', () => {
  it('hands out what went in, in order, page by page', () => {
    fc.assert(
      fc.property(fc.array(operations, { maxLength: 8 }), fc.integer({ min: 1, max: 4 }), (all, limit) => {
        using database = openDatabase(':memory:');
        new Outbox(database, () => 'email');
        const log = new OperationLog(database);
        for (const [index, operation] of all.entries()) log.append(operation, { at: index * 10, sequence: index * 2 });
        const read: unknown[] = [];
        for (let page = log.after(0, limit); page.length > 0; page = log.after(page.at(-1)?.number ?? 0, limit)) read.push(...page);
        expect(read).toEqual(all.map((operation, index) => ({ number: index + 1, at: index * 10, sequence: index * 2, operation })));
      }),
      { numRuns: 50 },
    );
  });

  it('keeps the last hundred thousand', () => {
    using database = openDatabase(':memory:');
    new Outbox(database, () => 'email');
    const log = new OperationLog(database);
    const operation: Operation = { kind: 'comment', alert: 'a', by: 'anna', comment: 'seen' };
    log.append(operation, { at: 0, sequence: 0 });
    database.exec('UPDATE notify_operation SET number = 100999');
    log.append(operation, { at: 1, sequence: 0 });
    expect(log.after(0, 10).map(({ number }) => number)).toEqual([100_999, 101_000]);
    database.exec('UPDATE notify_operation SET number = 1 WHERE number = 100999');
    database.exec("UPDATE sqlite_sequence SET seq = 101999 WHERE name = 'notify_operation'");
    log.append(operation, { at: 2, sequence: 0 });
    expect(log.after(0, 10).map(({ number }) => number)).toEqual([101_000, 102_000]);
  });
});

describe('what somebody did', () => {
  it('is there after a kill -9 of the process that said so, and holds', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tocsin-notify-'));
    const script = fileURLToPath(new URL('./killed.ts', import.meta.url));
    const child = spawn(process.execPath, [script, folder, `smtp://127.0.0.1:${await freePort()}`, 'silence'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      const ended = once(child, 'exit');
      const [said] = await once(createInterface(child.stdout), 'line');
      child.kill('SIGKILL');
      expect(JSON.parse(String(said))).toEqual({ done: true });
      expect((await ended)[1]).toBe('SIGKILL');
      const log = new TransitionLog();
      log.add('firing', { id: 'a' });
      await using server = await startSmtp();
      await using bench = startNotifying({ folder, log, smtp: server.url });
      const { notifying } = bench;
      expect(notifying.silences({}).items).toMatchObject([{ id: 's1', by: 'anna', state: 'active', alerts: 1 }]);
      expect(notifying.operations(0, 10)).toMatchObject([{ number: 1, at: log.now() + 1, sequence: 1, operation: { kind: 'silence' } }]);
      expect(notifying.flagsOf('a')).toEqual(['silenced']);
      // It had been told of before; what comes now is held back, as the silence was made until all is resolved.
      await server.until(1);
      log.add('no-data', { id: 'a', flags: ['no-data'] });
      log.pass(600_000);
      notifying.wake();
      await eventually(
        () => notifying.followedTo(),
        (sequence) => sequence === 2,
      );
      expect(notifying.notifications({}).items).toHaveLength(1);
    } finally {
      child.kill('SIGKILL');
      rmSync(folder, { recursive: true, force: true });
    }
  }, 30_000);

  it('comes after everything that is known by then, though nobody had woken the service', async () => {
    await using bench = startNotifying();
    bench.log.add('firing', { id: 'a' });
    expect(bench.notifying.operate({ kind: 'acknowledge', alert: 'a', by: 'anna', comment: 'mine', until: null })).toEqual({ done: true });
    expect(bench.notifying.flagsOf('a')).toEqual(['acknowledged']);
    expect(bench.notifying.operations(0, 10)).toMatchObject([{ at: START + 1_000_001, sequence: 1 }]);
    expect(bench.flagged.flat()).toContain('a');
  });

  it('is refused with a reason, and is not in the log then', async () => {
    await using bench = startNotifying();
    const result = bench.notifying.operate({ kind: 'acknowledge', alert: 'nothing', by: 'anna', comment: null, until: null });
    expect(result).toMatchObject({ done: false, problem: expect.stringContaining('nothing') });
    expect(bench.notifying.operations(0, 10)).toEqual([]);
  });

  it('is not said to be done while it cannot be written, and is once, as soon as it can', async () => {
    await using bench = startNotifying();
    bench.log.add('firing', { id: 'a' });
    bench.notifying.wake();
    await eventually(
      () => bench.notifying.notifications({ state: 'delivered' }).items.length,
      (count) => count === 1,
    );
    bench.database.exec('PRAGMA query_only = ON');
    const acknowledge: Operation = { kind: 'acknowledge', alert: 'a', by: 'anna', comment: null, until: null };
    expect(() => bench.notifying.operate(acknowledge)).toThrow(Unavailable);
    expect(bench.notifying.operations(0, 10)).toEqual([]);
    bench.database.exec('PRAGMA query_only = OFF');
    await eventually(
      () => bench.notifying.operations(0, 10).length,
      (count) => count === 1,
    );
    expect(bench.notifying.flagsOf('a')).toEqual(['acknowledged']);
  });

  it('is not taken while the service does not run', async () => {
    const bench = startNotifying();
    await bench.stop();
    expect(() => bench.notifying.operate({ kind: 'comment', alert: 'a', by: 'anna', comment: 'seen' })).toThrow(Unavailable);
    rmSync(bench.folder, { recursive: true, force: true });
  });

  it('silences from now on also where journal time lags behind the clock', async () => {
    await using bench = startNotifying();
    bench.log.add('firing', { id: 'a' });
    const match = { levels: null, rules: null, devices: null, alerts: null, labels: {} };
    const silence = { id: 's1', match, by: 'anna', comment: '', startsAt: Date.now() * 1000, endsAt: Date.now() * 1000 + 3_600_000_000 };
    expect(bench.notifying.operate({ kind: 'silence', silence })).toEqual({ done: true });
    expect(bench.notifying.silence('s1')).toMatchObject({ state: 'active', alerts: 1, startsAt: bench.log.now() + 1 });
    bench.log.add('firing', { id: 'b', device: 'fridge-02' });
    bench.notifying.wake();
    await eventually(
      () => bench.notifying.flagsOf('b'),
      (flags) => flags.join() === 'silenced',
    );
  });
});
