/** What was decided and cannot be written is kept and tried again: nothing is decided twice, and nothing lost. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Operation } from '../../src/domain/operation.ts';
import { Deciding } from '../../src/notify/deciding.ts';
import { Policy } from '../../src/notify/dispatch/policy.ts';
import { Outbox } from '../../src/notify/outbox.ts';
import { openDatabase } from '../../src/sqlite/database.ts';
import { isPassing } from '../../src/sqlite/fault.ts';
import { configOf, START, TransitionLog } from './fixtures.ts';
import { ManualClock } from './manual-clock.ts';

const config = configOf(`
contacts: {pharmacy: {email: p@x.org}, night: {email: n@x.org}}
routes: [{match: {level: critical}, to: [night]}]
default: {to: [pharmacy], groupBy: [rule], groupInterval: 1m}
escalations: [{match: {level: critical}, steps: [{after: 2m, to: [pharmacy]}]}]
`);
const silence: Operation = {
  kind: 'silence',
  silence: {
    id: 's1',
    match: { levels: null, rules: null, devices: ['d1'], alerts: null, labels: {} },
    by: 'anna',
    comment: 'moving',
    startsAt: 0,
    endsAt: START + 400_000_000,
  },
};
const acknowledge: Operation = { kind: 'acknowledge', alert: 'c', by: 'anna', comment: null, until: null };

/** What happens, in order: a transition, what somebody does, or time that goes by. */
function storyOf(log: TransitionLog): { at: number; upTo: number; operation: Operation | null }[] {
  const steps: { at: number; upTo: number; operation: Operation | null }[] = [];
  const step = (operation: Operation | null = null): number => steps.push({ at: log.now(), upTo: log.all.length, operation });
  const pass = (delayMs: number): void => {
    log.pass(delayMs);
    step();
  };
  log.add('firing', { id: 'a', device: 'd1', level: 'warning' });
  step();
  log.add('firing', { id: 'b', device: 'd2', level: 'warning' });
  step();
  pass(31_000);
  step(silence);
  log.add('level', { id: 'a', device: 'd1' }, { fromLevel: 'warning' });
  log.add('firing', { id: 'c', device: 'd3' });
  step();
  log.add('resolved', { id: 'b', device: 'd2', level: 'warning' });
  pass(61_000);
  step(acknowledge);
  pass(400_000);
  log.add('resolved', { id: 'c', device: 'd3' });
  log.add('resolved', { id: 'a', device: 'd1' });
  pass(600_000);
  return steps;
}

/** @param trouble for each step whether the disk can be written, and whether the process ends when it cannot */
function worked(trouble: readonly ('none' | 'full' | 'crash')[]) {
  const log = new TransitionLog();
  const steps = storyOf(log);
  using database = openDatabase(':memory:');
  const outbox = new Outbox(database, () => 'email');
  const flagged = new Set<string>();
  const start = (): Deciding =>
    new Deciding(new Policy(config, []), {
      database,
      outbox,
      clock: new ManualClock(START),
      subjectOf: ({ cause, items }) => `${cause.kind} ${items.map(({ alert, news }) => `${alert.id} ${news}`).join()}`,
      isSending: () => false,
      onFlagged: (alerts) => {
        for (const alert of alerts) flagged.add(alert);
      },
    });
  let deciding = start();
  const take = ({ at, upTo }: (typeof steps)[number]): void => {
    deciding.transitions(log.all.slice(deciding.cursor, upTo));
    deciding.advance(at);
  };
  for (const [index, step] of steps.entries()) {
    const isWritable = (trouble[index] ?? 'none') === 'none';
    let isTaken = false;
    database.exec(`PRAGMA query_only = ${isWritable ? 'OFF' : 'ON'}`);
    try {
      take(step);
      isTaken = true;
      if (step.operation !== null) deciding.operate(step.operation, step.at);
    } catch (error) {
      if (!isPassing(error)) throw error;
      if (trouble[index] === 'crash') deciding = start();
      // Somebody who was told that it did not take effect does it again; what had been taken is committed with the next step.
      if (step.operation !== null && (trouble[index] === 'crash' || !isTaken)) {
        database.exec('PRAGMA query_only = OFF');
        take(step);
        deciding.operate(step.operation, step.at);
      }
    }
  }
  database.exec('PRAGMA query_only = OFF');
  deciding.commit();
  const last = steps.at(-1);
  if (last !== undefined) take(last);
  const rows = (sql: string) => database.prepare(sql).all();
  return {
    messages: rows('SELECT id, contact, subject, content, thread, state, replaces FROM notify_message ORDER BY id'),
    timeline: rows('SELECT alert, transition_id, kind, detail, at, times FROM notify_timeline ORDER BY at, alert, id'),
    state: rows(`SELECT * FROM notify_state WHERE kind <> 'meta' ORDER BY kind, key`),
    operations: deciding.operations.after(0, 10).map(({ operation, at }) => ({ operation, at })),
    cursor: outbox.cursor(),
    flagged: [...flagged].sort(),
  };
}

describe('what is decided', () => {
  const undisturbed = worked([]);

  it('is what the story comes to', () => {
    expect(undisturbed.cursor).toBe(7);
    expect(undisturbed.operations).toHaveLength(2);
    expect(undisturbed.messages.length).toBeGreaterThan(5);
    expect(undisturbed.flagged).toEqual(['a', 'b', 'c']);
    expect(undisturbed.timeline.map(({ detail }) => detail)).toContain('acknowledged by anna');
  });

  it('is the same, once, whenever and however often the disk is full or the process ends', () => {
    const trouble = fc.constantFrom('none' as const, 'full' as const, 'crash' as const);
    fc.assert(
      fc.property(fc.array(trouble, { minLength: 9, maxLength: 9 }), (troubles) => {
        expect(worked(troubles)).toEqual(undisturbed);
      }),
      { numRuns: 150, examples: [[Array.from({ length: 9 }, () => 'full' as const)], [Array.from({ length: 9 }, () => 'crash' as const)]] },
    );
  });

  it('is kept when a fault of ours keeps it from being written, and the fault is told', () => {
    using database = openDatabase(':memory:');
    const outbox = new Outbox(database, () => 'email');
    const options = { database, outbox, clock: new ManualClock(START), isSending: () => false, onFlagged: () => undefined };
    let isBroken = true;
    const deciding = new Deciding(new Policy(config, []), {
      ...options,
      subjectOf: () => {
        if (isBroken) throw new Error('a fault of ours');
        return 'subject';
      },
    });
    const log = new TransitionLog();
    const batch = [log.add('firing', { id: 'a' })];
    deciding.transitions(batch);
    expect(() => deciding.advance(log.now())).toThrow('a fault of ours');
    expect(() => deciding.advance(log.now())).toThrow('a fault of ours');
    isBroken = false;
    deciding.commit();
    deciding.commit();
    expect(outbox.list({ limit: 10 })).toHaveLength(1);
  });

  it('begins with the first event: a nightly schedule has not been running since 1970', () => {
    const nightly = configOf(`
contacts: {p: {email: p@x.org}}
schedules: [{id: night, zone: Europe/Berlin, windows: [{days: daily, from: "22:00", to: "06:00"}]}]
default: {to: [p], muted: night}`);
    using database = openDatabase(':memory:');
    const outbox = new Outbox(database, () => 'email');
    const options = { database, outbox, clock: new ManualClock(START), isSending: () => false, onFlagged: () => undefined };
    const deciding = new Deciding(new Policy(nightly, []), { ...options, subjectOf: () => 'subject' });
    const log = new TransitionLog();
    const begun = performance.now();
    // In Berlin it is four in the morning.
    deciding.transitions([log.add('firing', { id: 'a', level: 'warning' })]);
    // Each of forty thousand boundaries costs 0.1 ms and more.
    expect(performance.now() - begun).toBeLessThan(1000);
    log.pass(3_600_000);
    deciding.advance(log.now());
    expect(outbox.waitingCount()).toBe(0);
    log.pass(2 * 3_600_000);
    deciding.advance(log.now());
    expect(outbox.list({ limit: 10 })).toMatchObject([{ kind: 'mute-end', contact: 'p' }]);
  });
});
