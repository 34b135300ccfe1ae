/**
 * What runs inside the sandbox before a codec does, and around it. A codec's text is the body of a function that is called anew for
 * each frame, so that its top-level variables are as fresh as they are with the network servers; what they have in common
 * are the built-in objects, and those are frozen once the codec has been through its top level for the first time. Globals that a codec
 * leaves behind are taken away after each frame.
 *
 * `Date` without arguments is the time of receipt, so that a frame that is decoded again means the same again.
 */

/** Before and after a codec's text. On one line with its first: lines stay what they are. */
export const WRAP_BEFORE = '(function(){';
export const WRAP_AFTER = `
;return typeof decodeUplink === 'function' ? ['decodeUplink', decodeUplink]
: typeof Decoder === 'function' ? ['Decoder', Decoder]
: typeof Decode === 'function' ? ['Decode', Decode] : null;})`;

/** What `call` gives begins with one of these. */
export const RESULT = 'R';
export const ERROR = 'E';

/** Elements that the methods of lists may go over in one frame: they are not interrupted, and `list[timestamp] = …` makes a list of years. */
const ELEMENTS_MAX = 5_000_000;
const RESULT_LENGTH_MAX = 256 * 1024;
const MESSAGE_LENGTH_MAX = 300;

/** Evaluates to `{ seal, call, clean }`. */
export const PRELUDE = `(() => {
  'use strict';
  const { apply, construct, ownKeys, deleteProperty, defineProperty, getOwnPropertyDescriptor, getPrototypeOf } = Reflect;
  const { freeze, isFrozen } = Object;
  const { parse, stringify } = JSON;
  const text = String;
  const RealDate = Date;
  let now = 0;

  RealDate.now = () => now;
  const InstantDate = new Proxy(RealDate, {
    apply: () => text(new RealDate(now)),
    construct: (_, given, target) => construct(RealDate, given.length === 0 ? [now] : given, target === InstantDate ? RealDate : target),
  });
  RealDate.prototype.constructor = InstantDate;
  globalThis.Date = InstantDate;
  delete globalThis.performance;

  const ignore = () => undefined;
  globalThis.console = { log: ignore, info: ignore, warn: ignore, error: ignore, debug: ignore, trace: ignore };

  let elements = 0;
  // What these cost does not grow with the list, or hardly.
  const cheap = new Set(['slice', 'splice', 'shift', 'unshift', 'at']);
  for (const key of ownKeys(Array.prototype)) {
    const native = Array.prototype[key];
    if (typeof native !== 'function' || key === 'constructor' || key === 'push' || key === 'pop') continue;
    const isCheap = cheap.has(key);
    const bounded = function () {
      const length = this == null ? 0 : this.length;
      if (elements + length > ${ELEMENTS_MAX}) throw new RangeError(key.toString() + ' of ' + length + ' elements: too much for one frame');
      if (!isCheap && length > 0) elements += length;
      return apply(native, this, arguments);
    };
    defineProperty(Array.prototype, key, { value: bounded, writable: true, enumerable: false, configurable: true });
  }

  const known = new Set(ownKeys(globalThis));

  // A frozen prototype must not keep an object from having a 'name' or a 'toString' of its own.
  const soften = (object) => {
    for (const key of ['toString', 'toLocaleString', 'valueOf', 'constructor', 'name', 'message', 'hasOwnProperty']) {
      const { value, writable, configurable } = getOwnPropertyDescriptor(object, key) ?? {};
      if (writable !== true || configurable !== true) continue;
      const set = function (own) {
        if (this !== object) defineProperty(this, key, { value: own, writable: true, enumerable: true, configurable: true });
      };
      defineProperty(object, key, { get: () => value, set, enumerable: false, configurable: false });
    }
  };

  // Some put in a method of their own whether there is one or not, and do so each time: the first one stays.
  const frozen = new WeakSet();
  Object.defineProperty = (object, key, descriptor) => {
    if (frozen.has(object)) return object;
    if (!defineProperty(object, key, descriptor)) throw new TypeError('cannot define ' + text(key));
    return object;
  };

  const freezeAll = (root) => {
    const left = [root];
    while (left.length > 0) {
      const object = left.pop();
      if ((typeof object !== 'object' && typeof object !== 'function') || object === null || object === globalThis || isFrozen(object)) continue;
      freeze(object);
      frozen.add(object);
      left.push(getPrototypeOf(object));
      for (const key of ownKeys(object)) {
        const { value, get, set } = getOwnPropertyDescriptor(object, key);
        left.push(value, get, set);
      }
    }
  };

  const clean = () => {
    for (const key of ownKeys(globalThis)) if (!known.has(key) && !deleteProperty(globalThis, key)) return false;
    return true;
  };

  const seal = () => {
    for (const one of [Object, Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError, Function]) soften(one.prototype);
    const hidden = [function* () {}, async function () {}, async function* () {}, [][Symbol.iterator](), ''[Symbol.iterator](), new Map().keys(),
      new Set().keys(), ''.matchAll(/a/g), Int8Array, (function* () {})()];
    for (const one of hidden) freezeAll(getPrototypeOf(one));
    for (const key of known) {
      const before = getOwnPropertyDescriptor(globalThis, key);
      if ('value' in before) freezeAll(before.value);
      if (before.configurable) defineProperty(globalThis, key, 'value' in before ? { writable: false, configurable: false } : { configurable: false });
    }
  };

  const told = (error) => {
    if (!(error instanceof Error)) return text(error);
    const [first = ''] = text(error.stack).split('\\n');
    return error.name + ': ' + error.message + (first === '' ? '' : ' (' + first.trim() + ')');
  };

  const call = (make, given) => {
    try {
      const { bytes, fPort, topic, receivedAt } = parse(given);
      now = receivedAt;
      elements = 0;
      const [form, decode] = apply(make, globalThis, []);
      const out = form === 'decodeUplink'
        ? decode({ bytes, fPort, recvTime: new RealDate(now), topic, variables: {} })
        : { data: form === 'Decoder' ? decode(bytes, fPort) : decode(fPort, bytes, {}) };
      const data = out == null ? undefined : out.data;
      if (typeof out?.then === 'function' || typeof data?.then === 'function') return '${ERROR}it returns a promise, and nothing waits for it';
      const json = stringify(out);
      if (json === undefined) return '${ERROR}it returns nothing';
      return json.length > ${RESULT_LENGTH_MAX} ? '${ERROR}its result is ' + json.length + ' characters long; at most ${RESULT_LENGTH_MAX}' : '${RESULT}' + json;
    } catch (error) {
      return '${ERROR}' + told(error).slice(0, ${MESSAGE_LENGTH_MAX});
    }
  };
  return { seal, call, clean };
})()`;
