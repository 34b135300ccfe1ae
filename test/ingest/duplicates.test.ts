import { describe, expect, it } from 'vitest';
import { FLAG_DEVICE_TIME } from '../../src/domain/reading.ts';
import { ReadingWindow, SessionWindow } from '../../src/ingest/duplicates.ts';

const shape = ['temperature', 'humidity'];

describe('readings with device time', () => {
  it('recognises the same device, time, names and values', () => {
    const window = new ReadingWindow();
    expect(window.isRepeated('a', 1000, shape, [1, 2])).toBe(false);
    expect(window.isRepeated('a', 1000, shape, [1, 2])).toBe(true);
    expect(window.isRepeated('a', 1000, shape, [1, 3])).toBe(false);
    expect(window.isRepeated('a', 1001, shape, [1, 2])).toBe(false);
    expect(window.isRepeated('b', 1000, shape, [1, 2])).toBe(false);
    expect(window.isRepeated('a', 1000, ['temperature', 'pressure'], [1, 2])).toBe(false);
  });

  it('does not mistake a boolean for a number, nor a text for either', () => {
    const window = new ReadingWindow();
    const one = ['x'];
    expect([true, 1, '1', 'true'].map((value) => window.isRepeated('a', 5, one, [value]))).toEqual([false, false, false, false]);
  });

  it('remembers at least the latest 256 readings of a device in a small fleet, and not for ever', () => {
    const window = new ReadingWindow();
    for (let at = 1; at <= 1000; at++) window.isRepeated('a', at, shape, [at, 0]);
    expect(window.isRepeated('a', 745, shape, [745, 0])).toBe(true);
    expect(window.isRepeated('a', 1, shape, [1, 0])).toBe(false);
  });

  it('is rebuilt from the readings of the journal', () => {
    const window = new ReadingWindow();
    const device = { id: 'a', profile: null, labels: {} };
    window.recall({ device, at: 7, receivedAt: 9, flags: FLAG_DEVICE_TIME, metrics: ['temperature', 'humidity'], values: [1, 2] });
    expect(window.isRepeated('a', 7, shape, [1, 2])).toBe(true);
  });
});

describe('times of receipt', () => {
  it('makes a burst of one device strictly increasing, and leaves other devices alone', () => {
    const window = new ReadingWindow();
    expect([1000, 1000, 1000, 5000].map((at) => window.receiptTime('a', at))).toEqual([1000, 1001, 1002, 5000]);
    expect(window.receiptTime('b', 1000)).toBe(1000);
  });

  it('stays increasing when the clock steps back', () => {
    const window = new ReadingWindow();
    window.receiptTime('a', 5000);
    expect(window.receiptTime('a', 4000)).toBe(5001);
  });
});

describe('QoS 1 with DUP and no device time', () => {
  it('is dropped only for the same client, identifier and content, within 60 s', () => {
    const window = new SessionWindow();
    window.remember('client', 7, 0xabc, 1000);
    expect(window.isRepeated('client', 7, 0xabc, 61_000)).toBe(true);
    expect(window.isRepeated('client', 7, 0xabc, 61_001)).toBe(false);
    expect(window.isRepeated('client', 8, 0xabc, 1001)).toBe(false);
    expect(window.isRepeated('client', 7, 0xabd, 1001)).toBe(false);
    expect(window.isRepeated('other', 7, 0xabc, 1001)).toBe(false);
  });

  it('is kept in a new session', () => {
    const window = new SessionWindow();
    window.remember('client', 7, 0xabc, 1000);
    window.forget('client');
    expect(window.isRepeated('client', 7, 0xabc, 1001)).toBe(false);
  });
});

describe('QoS 2 exchanges', () => {
  it('are open from PUBLISH to PUBREL, over a restart too', () => {
    const window = new SessionWindow();
    const mark = { client: 'client', packetId: 3, hash: 9, receivedAt: 1 };
    window.recall({ ...mark, open: true });
    window.recall({ ...mark, packetId: 4, open: true });
    window.recall({ ...mark, packetId: 4, open: false });
    expect(window.exchange('client', 3)).toBe(9);
    expect(window.exchange('client', 4)).toBeUndefined();
    expect(window.end('client', 3)).toBe(true);
    expect(window.end('client', 3)).toBe(false);
  });

  it('are all closed by a new session', () => {
    const window = new SessionWindow();
    window.begin('client', 3, 9);
    window.begin('client', 5, 9);
    expect(window.forget('client')).toEqual([3, 5]);
    expect(window.exchange('client', 3)).toBeUndefined();
  });

  it('are bounded over all clients: who began first is forgotten, and the others are recognised', () => {
    const window = new SessionWindow();
    for (let n = 0; n < 200_000; n++) window.begin(`client-${Math.floor(n / 1000)}`, n % 1000, n);
    expect(window.exchange('client-0', 5)).toBe(5);
    window.begin('new', 1, 77);
    expect(window.exchange('new', 1)).toBe(77);
    expect(window.exchange('client-0', 5)).toBeUndefined();
    expect(window.exchange('client-1', 5)).toBe(1005);
  });
});
