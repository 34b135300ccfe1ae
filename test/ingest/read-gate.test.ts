import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { ReadGate } from '../../src/ingest/read-gate.ts';
import { type Clock, systemClock } from '../../src/std/clock.ts';

/** A connection whose owner reads as Aedes does: everything there is, whenever it is readable. */
function reader(gate: ReadGate, read: string[], isConnected = () => true): PassThrough {
  const connection = new PassThrough();
  gate.guard(connection, isConnected);
  connection.on('readable', () => {
    const chunk: unknown = connection.read();
    if (chunk !== null) read.push(String(chunk));
  });
  return connection;
}

function setUp(options: { clock?: Clock } = {}) {
  const state = { waiting: 0, answer: () => undefined as unknown };
  const gate = new ReadGate({
    waiting: () => state.waiting,
    whenAnswered: (callback) => {
      state.answer = callback;
    },
    clock: options.clock ?? systemClock,
  });
  const read: string[] = [];
  return { gate, state, read };
}

describe('read gate', () => {
  it('holds connections back while enough messages wait, and lets them read in the order in which they asked', async () => {
    const { gate, state, read } = setUp();
    state.waiting = 2000;
    const connections = ['a', 'b', 'c'].map((name) => ({ name, connection: reader(gate, read) }));
    for (const { name, connection } of connections) connection.write(name);
    await systemClock.sleep(20);
    expect(read).toEqual([]);
    state.waiting = 0;
    state.answer();
    await expect.poll(() => read).toEqual(['a', 'b', 'c']);
  });

  it('loses nothing of what arrives meanwhile', async () => {
    const { gate, state, read } = setUp();
    const connection = reader(gate, read);
    connection.write('1');
    await expect.poll(() => read).toEqual(['1']);
    state.waiting = 5000;
    connection.write('2');
    await systemClock.sleep(10);
    connection.write('3');
    await systemClock.sleep(10);
    expect(read).toEqual(['1']);
    state.waiting = 0;
    state.answer();
    await expect.poll(() => read.join('')).toBe('123');
  });

  it('always reads a connection that has not finished its CONNECT', async () => {
    const { gate, state, read } = setUp();
    state.waiting = 5000;
    reader(gate, read, () => false).write('CONNECT');
    await expect.poll(() => read).toEqual(['CONNECT']);
  });

  it('ends a turn that lasts too long: the other connections are read in the next one', async () => {
    // Every look at the clock finds it 4 ms later, as if each chunk had taken that long.
    let nowMs = 0;
    const slow: Clock = {
      ...systemClock,
      monotonicMs: () => {
        nowMs += 4;
        return nowMs;
      },
    };
    const { gate, read } = setUp({ clock: slow });
    const turns: number[] = [];
    for (let n = 0; n < 6; n++) reader(gate, read).write(String(n));
    for (let turn = 0; turn < 20 && read.length < 6; turn++) {
      await new Promise((resolve) => setImmediate(resolve));
      turns.push(read.length);
    }
    expect([...read].sort()).toEqual(['0', '1', '2', '3', '4', '5']);
    expect(new Set(turns).size).toBeGreaterThan(2);
  });

  it('reads nothing any more once it is closed', async () => {
    const { gate, state, read } = setUp();
    state.waiting = 5000;
    const connection = reader(gate, read);
    connection.write('held back');
    await systemClock.sleep(10);
    gate.close();
    state.waiting = 0;
    state.answer();
    connection.write('late');
    await systemClock.sleep(10);
    expect(read).toEqual([]);
  });

  it('forgets a connection that closes while it is held back', async () => {
    const { gate, state, read } = setUp();
    state.waiting = 5000;
    const connection = reader(gate, read);
    connection.write('late');
    await systemClock.sleep(10);
    connection.destroy();
    await systemClock.sleep(10);
    state.waiting = 0;
    state.answer();
    await systemClock.sleep(10);
    expect(read).toEqual([]);
  });
});
