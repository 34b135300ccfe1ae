/** What a codec may do, what it may not, and that the next frame, the next codec and this process are none the worse for it. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type Answer, Sandbox, type Sandboxed } from '../../../src/devices/codecs/sandbox.ts';
import { type Clock, systemClock } from '../../../src/std/clock.ts';

const sandbox = await Sandbox.load(systemClock);
const QUESTION = { bytes: Uint8Array.of(1, 2, 255), port: 2, topic: 't/d', receivedAt: Date.parse('2026-04-03T08:00:00Z') * 1000 };

const codec = (source: string): Sandboxed => sandbox.open({ path: 'codecs/x.js', source });
const uplink = (body: string): Sandboxed => codec(`function decodeUplink(input) { ${body} }`);
const ask = (sandboxed: Sandboxed, question: Partial<typeof QUESTION> = {}): Answer => sandboxed.ask({ ...QUESTION, ...question });
function shown(answer: Answer): unknown {
  if (answer.kind === 'result') return JSON.parse(answer.json);
  return answer.kind === 'error' ? answer.message : answer.kind;
}
const said = (sandboxed: Sandboxed, question?: Partial<typeof QUESTION>): unknown => shown(ask(sandboxed, question));

describe('a codec', () => {
  it('is given what vendors expect', () => {
    expect(said(uplink('return {data: {...input, isList: Array.isArray(input.bytes), isDate: input.recvTime instanceof Date}}'))).toEqual({
      data: { bytes: [1, 2, 255], fPort: 2, recvTime: '2026-04-03T08:00:00.000Z', topic: 't/d', variables: {}, isList: true, isDate: true },
    });
    expect(said(codec('function Decoder(bytes, port) { return {sum: bytes[0] + bytes[2], port} }'))).toEqual({
      data: { sum: 256, port: 2 },
    });
    expect(said(codec('function Decode(fPort, bytes, variables) { return {fPort, n: bytes.length, v: typeof variables} }'))).toEqual({
      data: { fPort: 2, n: 3, v: 'object' },
    });
  });

  it('may be written in any form', () => {
    expect(said(codec('export function decodeUplink({bytes}) { return {data: {n: bytes.length}} }'))).toEqual({ data: { n: 3 } });
    expect(said(codec('const decodeUplink = ({bytes}) => ({data: {n: bytes.length}})'))).toEqual({ data: { n: 3 } });
    expect(said(codec('"use strict";\nclass A { n = 3 }\nlet decodeUplink = () => ({data: new A()}) // end'))).toEqual({ data: { n: 3 } });
  });

  it('finds every frame as fresh as the first', () => {
    const counting = codec(
      'var n = 0; m = m0(); function m0() { return typeof m === "undefined" ? 1 : m + 1 }\nfunction decodeUplink() { n++; k = (typeof k === "undefined" ? 0 : k) + 1; return {data: {n, m, k}} }',
    );
    for (let round = 0; round < 3; round++) expect(said(counting)).toEqual({ data: { n: 1, m: 1, k: 1 } });
  });

  it('has the time of receipt for now', () => {
    const now = uplink(
      'return {data: {a: Date.now(), b: new Date(), c: new Date(0), d: new (new Date().constructor)(), e: typeof Date()}}',
    );
    const at = '2026-04-03T08:00:00.000Z';
    expect(said(now)).toEqual({ data: { a: Date.parse(at), b: at, c: '1970-01-01T00:00:00.000Z', d: at, e: 'string' } });
  });

  it('may add to built-in objects what it misses, and set what they have on its own', () => {
    const source = `Object.defineProperty(Object, 'assign', {configurable: true, writable: true, value: function (to) { to.assigned = true; return to }});
      if (!String.prototype.hex) String.prototype.hex = function () { return parseInt(this, 16) };
      class Odd extends Error { constructor(text) { super(text); this.name = 'Odd' } }
      function decodeUplink() {
        var o = {}; o.toString = function () { return 'own' }; o.constructor = 5; o.valueOf = 1;
        var error = new Odd('x'); error.message = 'y';
        return {data: {assigned: Object.assign({}).assigned, hex: 'ff'.hex(), own: String(o), name: error.name, message: error.message, c: o.constructor}};
      }`;
    for (let round = 0; round < 2; round++)
      expect(said(codec(source))).toEqual({ data: { assigned: true, hex: 255, own: 'own', name: 'Odd', message: 'y', c: 5 } });
  });
});

describe('out of reach', () => {
  it.each([
    ['process', 'return {data: {p: String(this.constructor.constructor("return process")())}}', /'process' is not defined/],
    ['require', 'require("fs")', /'require' is not defined/],
    ['fetch', 'fetch("http://x")', /'fetch' is not defined/],
    ['timers', 'setTimeout(function () {}, 1)', /'setTimeout' is not defined/],
    ['import', 'return import("fs").then(function () { return {data: {}} })', /promise/],
  ])('is %s', (_, body, message) => expect(said(uplink(body))).toMatch(message));

  it('is what others find at the next frame', () => {
    const poisoning = uplink(`
      Object.prototype.polluted = 1; ({}).__proto__.polluted = 2;
      Array.prototype.map = null; JSON.stringify = function () { return '{"data":{"forged":1}}' }; Math.floor = null; Date.now = null;
      try { globalThis.parseInt = null } catch (e) {}
      var first = typeof globalThis.left === 'undefined'; globalThis.left = 1; decodeUplink.left = 1;
      return {data: {first: first, polluted: ({}).polluted === undefined, map: typeof [].map, now: typeof Date.now, parse: typeof parseInt}}`);
    const fresh = { data: { first: true, polluted: true, map: 'function', now: 'function', parse: 'function' } };
    for (let round = 0; round < 3; round++) expect(said(poisoning)).toEqual(fresh);
    const lasting = uplink(
      'var was = globalThis.x; Object.defineProperty(globalThis, "x", {value: 1, configurable: false}); return {data: {was: typeof was}}',
    );
    for (let round = 0; round < 2; round++) expect(said(lasting)).toEqual({ data: { was: 'undefined' } });
    expect(Object.prototype).not.toHaveProperty('polluted');
  });
});

describe('beyond its limits', () => {
  const isQuick = (run: () => unknown): unknown => {
    const from = performance.now();
    const result = run();
    expect(performance.now() - from).toBeLessThan(1000);
    return result;
  };

  it.each([
    ['a loop', 'while (true) {}'],
    ['a loop that catches', 'while (true) { try { while (true) {} } catch (e) {} finally { while (true) {} } }'],
    ['a pattern that backtracks', 'return {data: {x: /^(a+)+$/.test(new Array(40).join("a") + "b")}}'],
    ['a value that is asked for', 'return {data: {get x() { while (true) {} }}}'],
  ])('%s is ended', (_, body) => {
    const endless = uplink(`if (input.bytes.length === 0) return {data: {}}; ${body}`);
    expect(isQuick(() => said(endless))).toBe('timeout');
    expect(said(endless, { bytes: new Uint8Array() })).toEqual({ data: {} });
  });

  it.each([
    ['memory', 'var a = []; while (true) a.push(new Uint8Array(100000))', /out of memory/],
    ['memory in small pieces', 'var a = []; while (true) a.push({x: [1, 2, 3]})', /out of memory|timeout|null/],
    ['one long text', 'return {data: {x: "x".repeat(1e9)}}', /out of memory|invalid/],
    ['recursion', 'function r() { return r() + 1 } return {data: {x: r()}}', /stack overflow/],
    ['recursion in the library', 'var o = {toString: function () { return String(o) }}; return {data: {x: String(o)}}', /stack overflow/],
    ['deep nesting', 'return JSON.parse(new Array(50000).join("["))', /stack overflow|JSON|unexpected/i],
    ['a deep result', 'var o = {}, d = {data: o}; for (var i = 0; i < 5000; i++) o = o.a = {}; return d', /stack overflow|circular/i],
    ['a list of years', 'var list = []; list[1700000000] = 1; list.forEach(function () {})', /forEach of 1700000001 elements: too much/],
    ['a huge result', 'return {data: {x: "x".repeat(300000)}}', /its result is 300\d+ characters long/],
    ['a promise', 'return Promise.resolve({data: {}})', /promise/],
    ['a promise as data', 'return {data: (async function () { return {} })()}', /promise/],
    ['a circle', 'var o = {}; o.o = o; return {data: o}', /circular/],
    ['nothing', '', /nothing/],
    ['a BigInt', 'return {data: {x: 1n}}', /BigInt/i],
    ['an odd error', 'throw {toString: function () { throw 1 }}', /./],
    ['a text as an error', 'throw "no such port"', /^no such port$/],
    ['an error with its place', '\nnull.x', /TypeError: .*\(.*codecs\/x\.js:2:\d+\)/],
  ])('%s is an error', (_, body, message) => {
    const failing = uplink(`if (input.bytes.length === 0) return {data: {}}; ${body}`);
    expect(isQuick(() => said(failing))).toMatch(message);
    expect(said(failing, { bytes: new Uint8Array() })).toEqual({ data: {} });
  });

  it('a job for later is not done, and does not wait for the next frame', () => {
    const later = uplink('Promise.resolve().then(function () { while (true) {} }); return {data: {n: 1}}');
    for (let round = 0; round < 3; round++) expect(said(later)).toEqual({ data: { n: 1 } });
  });

  it('what goes over very long lists is ended early', () => {
    const slow = uplink('var n = 0; for (var i = 0; i < 1000; i++) n += new Array(99000).indexOf(1); return {data: {n: n}}');
    expect(isQuick(() => said(slow))).toMatch(/indexOf of 99000 elements: too much|timeout/);
    expect(said(uplink('var n = 0; for (var i = 0; i < 50; i++) n += new Array(99000).indexOf(1); return {data: {n: n}}'))).toEqual({
      data: { n: -50 },
    });
  });

  it('it may be ended anywhere, and starts again', async () => {
    // A clock that steps beyond the limit now and then.
    let [readings, at] = [0, 0];
    const stepping: Clock = {
      ...systemClock,
      monotonicMs: () => {
        readings += 1;
        if ((readings * 2_654_435_761) % 2 ** 32 < 2 ** 29) at += 1000;
        return at;
      },
    };
    const source =
      'function f(n) { return n + 1 } function decodeUplink(input) { for (var i = 0; i < input.bytes[0] * 200; i++) f(i); return {data: {i: i}} }';
    const one = (await Sandbox.load(stepping)).open({ path: 'codecs/x.js', source });
    const kinds = new Map<string, number>();
    for (let round = 0; round < 300; round++) {
      const { kind } = one.ask({ ...QUESTION, bytes: Uint8Array.of(round) });
      kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
    }
    expect(kinds.get('timeout')).toBeGreaterThan(10);
    expect(kinds.get('result')).toBeGreaterThan(10);
    expect(kinds.has('gone')).toBe(false);
  });
});

it('names the place of what is wrong at load', () => {
  const checked = (source: string) => codec(source).check();
  expect(checked('function decodeUplink() { return {data: {}} }')).toBeNull();
  expect(checked('var a = 1;\nfunction decodeUplink( {\n}')?.place).toBe('codecs/x.js:3:2');
  expect(checked('var a = ;')).toEqual({ message: "SyntaxError: unexpected token in expression: ';'", place: 'codecs/x.js:1:9' });
  expect(checked('var t = undefined.x;')).toMatchObject({ message: expect.stringContaining('TypeError'), place: 'codecs/x.js:1:18' });
  expect(checked('\n\n  lookup();')).toEqual({ message: "ReferenceError: 'lookup' is not defined", place: 'codecs/x.js:3:3' });
  expect(checked('throw "no"')?.message).toBe('no');
  expect(checked('})(); (function () {')?.message).toMatch(/SyntaxError/);
  expect(checked('var x = 1;')).toEqual({
    message: 'it has no function decodeUplink(input), Decoder(bytes, port) or Decode(port, bytes)',
    place: 'codecs/x.js',
  });
  expect(checked('while (true) {}')?.message).toBe('its top level takes longer than 500 ms');
  expect(checked(`var x = ${'('.repeat(5000)}1`)?.message).toMatch(/stack overflow/);
});

it('holds no more after ten thousand frames than before', () => {
  const source = readFileSync('test/devices/codecs/fixtures/tlv.js', 'utf8');
  const sandboxed = codec(source);
  const bytes = Buffer.from('0175640367180104687305' + '7d6704' + '06736827', 'hex');
  for (let round = 0; round < 100; round++) ask(sandboxed, { bytes });
  const before = { used: sandboxed.usedBytes(), memory: sandbox.memoryBytes };
  let results = 0;
  for (let round = 0; round < 10_000; round++) if (ask(sandboxed, { bytes }).kind === 'result') results += 1;
  expect(results).toBe(10_000);
  expect(sandboxed.usedBytes() - before.used).toBeLessThan(64 * 1024);
  expect(sandbox.memoryBytes).toBe(before.memory);
});

it('has no more memory for all codecs together than it says', () => {
  for (let round = 0; round < 5; round++) {
    const greedy = uplink('var all = []; self = function () { return all }; while (true) all.push(new Uint8Array(500000))');
    expect(said(greedy)).toMatch(/out of memory|timeout/);
  }
  expect(sandbox.memoryBytes).toBeLessThanOrEqual(32 * 1024 * 1024);
  expect(said(uplink('return {data: {n: new Uint8Array(5000000).length}}'))).toEqual({ data: { n: 5_000_000 } });
});

it('is not brought to its end by what frames leave behind', () => {
  const leaving = codec('var kept; function decodeUplink(input) { kept = new Array(50000).fill(input); return {data: {n: kept.length}} }');
  for (let round = 0; round < 300; round++) expect(said(leaving)).toEqual({ data: { n: 50_000 } });
});

it('goes on with others after one has broken it', async () => {
  const one = uplink('function r(n) { return n === 0 ? 0 : r(n - 1) } return {data: {n: 1 + r(input.bytes[0])}}');
  const other = uplink('return {data: {n: 2}}');
  const both = (): unknown[] => [said(one), said(other)];
  expect(both()).toEqual([{ data: { n: 1 } }, { data: { n: 2 } }]);
  // Asked where hardly any of V8's own stack is left, which no codec can bring about by itself.
  const atTheEnd = (depth: number): Answer => {
    try {
      return atTheEnd(depth);
    } catch {
      return ask(one, { bytes: Uint8Array.of(depth) });
    }
  };
  const answers = Array.from({ length: 40 }, (_, index) => shown(atTheEnd(20 + 3 * index)));
  expect(answers).toContain('it broke the sandbox: it most likely calls itself without end');
  expect(both()).toEqual(['gone', 'gone']);
  await expect.poll(both, { timeout: 10_000 }).toEqual([{ data: { n: 1 } }, { data: { n: 2 } }]);
});
