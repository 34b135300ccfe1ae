/**
 * Runs codecs, other people's JavaScript, on the thread that serves the sockets: QuickJS in WebAssembly. A codec sees its frame and
 * nothing of this process; what it gives is JSON. It has a limit on time, memory, stack and the size of its result.
 *
 * The limit on time is looked at by QuickJS after every few thousand branches and calls: exact for a loop, less so for one that
 * does much in each round, and a single call into QuickJS's own library is not interrupted. Who calls must reckon with a codec
 * that takes longer than it may, and stop asking it. This holds off mistakes, not an attacker: codecs are the operator's own files.
 */
import type { QuickJSContext, QuickJSHandle, QuickJSRuntime, QuickJSWASMModule } from 'quickjs-emscripten-core';
import type { Clock } from '../../std/clock.ts';
import { messageOf } from '../../std/errors.ts';
import { ERROR, PRELUDE, RESULT, WRAP_AFTER, WRAP_BEFORE } from './prelude.ts';

export interface Script {
  /** As errors name it. */
  readonly path: string;
  readonly source: string;
}

/** What a codec is asked. */
export interface Question {
  readonly bytes: Uint8Array;
  readonly port: number | null;
  readonly topic: string;
  /** µs. */
  readonly receivedAt: number;
}

export type Answer =
  /** `isLate`: it took much longer than it may, and got there all the same. */
  | { readonly kind: 'result'; readonly json: string; readonly isLate: boolean }
  | { readonly kind: 'error'; readonly message: string; readonly isLate: boolean }
  | { readonly kind: 'timeout' }
  /** The sandbox is being made anew. */
  | { readonly kind: 'gone' };

/** What is wrong with a codec, before it was asked anything. */
export interface ScriptProblem {
  readonly message: string;
  /** `file:line:column` */
  readonly place: string;
}

export const CALL_MAX_MS = 20;
/** What took that long is held against a codec though it got there; less may be this machine's doing, not the codec's. */
const LATE_MS = 100;
/** A thread may lose the processor for longer than a codec may take: one that QuickJS has looked at only once has done next to nothing. */
const LOOKS_MIN = 2;
/** Its top level, when it is loaded. */
const LOAD_MAX_MS = 500;
const RELOAD_MS = 1000;
/** Of 64 KiB. What QuickJS begins with; what codecs may need while they run, one at a time; and what each keeps. */
const PAGES_MIN = 256;
const PAGES_FOR_WORK = 384;
const PAGES_PER_CODEC = 32;
const PAGES_MAX = 16_384;
/** Of one allocation. */
const ALLOCATION_MAX_BYTES = 8 * 1024 * 1024;
/** More, and the stack of V8 may end before that of QuickJS does, which leaves nothing that could be used again. */
const STACK_MAX_BYTES = 32 * 1024;
const MESSAGE_LENGTH_MAX = 300;
/** Where not even the error found room, it is null. */
const OUT_OF_MEMORY = new RegExp(`^${ERROR}(?:InternalError: out of memory|null$|$)`);

/** The types of Node do not have it. */
declare const WebAssembly: { readonly Memory: new (pages: { readonly initial: number; readonly maximum: number }) => object };

/** @param pagesMax of its memory, which all its codecs share: QuickJS itself does not count what it hands out */
async function newModule(pagesMax: number): Promise<QuickJSWASMModule> {
  const [{ newQuickJSWASMModuleFromVariant, newVariant }, { default: imported }] = await Promise.all([
    import('quickjs-emscripten-core'),
    import('@jitl/quickjs-wasmfile-release-sync'),
  ]);
  // Its types are those of CommonJS, where the default is one level deeper.
  const variant = 'default' in imported ? imported.default : imported;
  const wasmMemory = new WebAssembly.Memory({ initial: PAGES_MIN, maximum: pagesMax });
  return newQuickJSWASMModuleFromVariant(newVariant(variant, { wasmMemory }));
}

export class Sandbox {
  readonly #clock: Clock;
  readonly #pagesMax: number;
  #module: QuickJSWASMModule | null;

  private constructor(clock: Clock, module: QuickJSWASMModule, pagesMax: number) {
    this.#clock = clock;
    this.#module = module;
    this.#pagesMax = pagesMax;
  }

  /** @param codecs how many there will be */
  static async load(clock: Clock, codecs = 1): Promise<Sandbox> {
    const pagesMax = Math.min(PAGES_FOR_WORK + codecs * PAGES_PER_CODEC, PAGES_MAX);
    return new Sandbox(clock, await newModule(pagesMax), pagesMax);
  }

  open(script: Script): Sandboxed {
    return new Sandboxed(script, { clock: this.#clock, module: () => this.#module, breakdown: () => this.#breakdown() });
  }

  /** The memory of all codecs, in bytes. It grows to what they need at most, and never shrinks. */
  get memoryBytes(): number {
    return this.#module?.getWasmMemory().buffer.byteLength ?? 0;
  }

  /** What QuickJS did not end itself leaves it in no state to go on: a new one takes its place. */
  #breakdown(): void {
    if (this.#module === null) return;
    this.#reload();
    this.#module = null;
  }

  #reload(): void {
    newModule(this.#pagesMax).then(
      (module) => {
        this.#module = module;
      },
      () => this.#clock.after(RELOAD_MS, () => this.#reload()),
    );
  }
}

interface Surroundings {
  readonly clock: Clock;
  /** Null while there is none. */
  readonly module: () => QuickJSWASMModule | null;
  readonly breakdown: () => void;
}

/** One codec, ready to be asked. */
interface Machine {
  readonly module: QuickJSWASMModule;
  readonly runtime: QuickJSRuntime;
  readonly context: QuickJSContext;
  readonly make: QuickJSHandle;
  readonly call: QuickJSHandle;
  readonly clean: QuickJSHandle;
}

/** One codec in the sandbox, in a runtime of its own. */
export class Sandboxed {
  readonly #script: Script;
  readonly #around: Surroundings;
  #machine: Machine | null = null;
  #endsAtMs = 0;
  #looks = 0;
  #wasInterrupted = false;

  constructor(script: Script, around: Surroundings) {
    this.#script = script;
    this.#around = around;
  }

  /** Null: nothing is wrong with it, as far as can be told without a frame. */
  check(): ScriptProblem | null {
    const module = this.#around.module();
    if (module === null) return this.#problem('the sandbox could not be started');
    try {
      const syntax = this.#checkSyntax(module);
      if (syntax !== null) return syntax;
      const machine = this.#start(module);
      if (!('make' in machine)) return machine;
      this.#end(machine);
      return null;
    } catch (error) {
      this.#around.breakdown();
      return this.#problem(`it is nested too deeply (${messageOf(error)})`);
    }
  }

  ask({ bytes, port, topic, receivedAt }: Question): Answer {
    const { clock } = this.#around;
    const module = this.#around.module();
    if (module === null) return { kind: 'gone' };
    try {
      const isFresh = this.#machine?.module !== module;
      let problem = this.#ready(module);
      if (problem !== null) return { kind: 'error', message: problem.message, isLate: true };
      const given = JSON.stringify({ bytes: Array.from(bytes), fPort: port, topic, receivedAt: receivedAt / 1000 });
      const fromMs = clock.monotonicMs();
      let answer = this.#ask(given);
      if (answer !== null && OUT_OF_MEMORY.test(answer) && !isFresh) {
        // Frames before it may have left what refers to itself: with the runtime it is gone.
        this.#discard();
        problem = this.#ready(module);
        answer = problem === null ? this.#ask(given) : `${ERROR}${problem.message}`;
      }
      const isLate = clock.monotonicMs() - fromMs > LATE_MS;
      if (answer === null) return { kind: 'timeout' };
      const kind = answer.startsWith(RESULT) ? 'result' : 'error';
      const rest = answer.slice(1);
      return kind === 'result' ? { kind, json: rest, isLate } : { kind, message: rest, isLate };
    } catch {
      // Not an error of the codec's, which would have been told: the stack of V8 has ended within QuickJS. What it says is not asked for, as
      // a call more may find no room either.
      this.#machine = null;
      this.#around.breakdown();
      return {
        kind: 'error',
        message: 'it broke the sandbox: it most likely calls itself without end',
        isLate: true,
      };
    }
  }

  /** Bytes that its runtime holds at present. */
  usedBytes(): number {
    if (this.#machine === null) return 0;
    const { runtime, context } = this.#machine;
    return runtime
      .computeMemoryUsage()
      .consume((usage) => context.getProp(usage, 'memory_used_size').consume((size) => context.getNumber(size)));
  }

  #ready(module: QuickJSWASMModule): ScriptProblem | null {
    if (this.#machine?.module === module) return null;
    const machine = this.#start(module);
    if (!('make' in machine)) return machine;
    this.#machine = machine;
    return null;
  }

  /** @returns null when it took too long */
  #ask(given: string): string | null {
    if (this.#machine === null) throw new Error('asked before it is ready');
    const { context, runtime, make, call, clean } = this.#machine;
    this.#limit(CALL_MAX_MS);
    const result = context.newString(given).consume((text) => context.callFunction(call, context.undefined, make, text));
    if (result.error !== undefined) {
      const message = told(context, result.error);
      this.#discard();
      return this.#wasInterrupted ? null : `${ERROR}${message}`;
    }
    const answer = result.value.consume((value) => context.getString(value));
    const cleaned = context.callFunction(clean, context.undefined);
    const isClean = (cleaned.error ?? cleaned.value).consume((value) => context.dump(value) === true);
    // What it left for later, or what cannot be taken away, would be there at the next frame.
    if (!isClean || runtime.hasPendingJob()) this.#discard();
    return answer;
  }

  #discard(): void {
    const machine = this.#machine;
    this.#machine = null;
    if (machine !== null) this.#end(machine);
  }

  #end({ make, call, clean, context, runtime }: Machine): void {
    for (const part of [make, call, clean, context, runtime]) part.dispose();
  }

  #checkSyntax(module: QuickJSWASMModule): ScriptProblem | null {
    const runtime = this.#runtime(module);
    const context = runtime.newContext();
    try {
      const compiled = context.evalCode(scriptOf(this.#script), this.#script.path, { compileOnly: true });
      if (compiled.error !== undefined) return this.#problemOf(context, compiled.error, 0);
      compiled.value.dispose();
      return null;
    } finally {
      context.dispose();
      runtime.dispose();
    }
  }

  #runtime(module: QuickJSWASMModule): QuickJSRuntime {
    const interruptHandler = (): boolean => {
      this.#looks += 1;
      this.#wasInterrupted ||= this.#looks >= LOOKS_MIN && this.#around.clock.monotonicMs() > this.#endsAtMs;
      return this.#wasInterrupted;
    };
    return module.newRuntime({ memoryLimitBytes: ALLOCATION_MAX_BYTES, maxStackSizeBytes: STACK_MAX_BYTES, interruptHandler });
  }

  #limit(forMs: number): void {
    this.#looks = 0;
    this.#wasInterrupted = false;
    this.#endsAtMs = this.#around.clock.monotonicMs() + forMs;
  }

  #start(module: QuickJSWASMModule): Machine | ScriptProblem {
    this.#limit(LOAD_MAX_MS);
    const runtime = this.#runtime(module);
    const context = runtime.newContext();
    const handles: QuickJSHandle[] = [];
    const give = (problem: ScriptProblem): ScriptProblem => {
      for (const part of [...handles, context, runtime]) part.dispose();
      return problem;
    };
    const fail = (error: QuickJSHandle): ScriptProblem => {
      const problem = this.#problemOf(context, error, WRAP_BEFORE.length);
      return give(this.#wasInterrupted ? { ...problem, message: `its top level takes longer than ${LOAD_MAX_MS} ms` } : problem);
    };
    const around = context.evalCode(PRELUDE, 'prelude');
    if (around.error !== undefined) return fail(around.error);
    const frame = around.value;
    const [seal, call, clean] = ['seal', 'call', 'clean'].map((name) => context.getProp(frame, name));
    handles.push(frame);
    if (seal === undefined || call === undefined || clean === undefined) throw new Error('the prelude lacks a function');
    handles.push(seal, call, clean);
    const compiled = context.evalCode(`${WRAP_BEFORE}${scriptOf(this.#script)}${WRAP_AFTER}`, this.#script.path);
    if (compiled.error !== undefined) return fail(compiled.error);
    const make = compiled.value;
    handles.push(make);
    // Once with the built-in objects as they are, so that it may add to them what it misses, and once as it will be from then on.
    for (const isSealed of [false, true]) {
      const made = context.callFunction(make, context.global);
      if (made.error !== undefined) return fail(made.error);
      const isDecoder = made.value.consume((value) => context.typeof(value) === 'object' && !context.eq(value, context.null));
      if (!isDecoder) return give(this.#problem('it has no function decodeUplink(input), Decoder(bytes, port) or Decode(port, bytes)'));
      for (const step of isSealed ? [clean] : [clean, seal]) {
        const done = context.callFunction(step, context.undefined);
        if (done.error !== undefined) return fail(done.error);
        done.value.dispose();
      }
    }
    seal.dispose();
    frame.dispose();
    return { module, runtime, context, make, call, clean };
  }

  #problem(message: string): ScriptProblem {
    return { message, place: this.#script.path };
  }

  /** @param shift what stands before the first line */
  #problemOf(context: QuickJSContext, error: QuickJSHandle, shift: number): ScriptProblem {
    const stack = textAt(context, error, 'stack');
    const message = told(context, error);
    const at = stack.split('\n').find((line) => line.includes(this.#script.path));
    const [, line, column] = /:(\d+):(\d+)\)?$/.exec(at ?? '') ?? [];
    if (line === undefined || column === undefined) return this.#problem(message);
    const first = Number(line) === 1 ? shift : 0;
    return { message, place: `${this.#script.path}:${line}:${Math.max(1, Number(column) - first)}` };
  }
}

/** `export` before a declaration is taken out: a codec may be written as a module, as long as it is a single file. */
const EXPORT = /^export (?=(?:async )?(?:function|const|let|var|class)\b)/gm;
const scriptOf = ({ source }: Script): string => source.replace(EXPORT, (text) => ' '.repeat(text.length));

function textAt(context: QuickJSContext, value: QuickJSHandle, key: string): string {
  if (context.typeof(value) !== 'object') return '';
  return context.getProp(value, key).consume((part) => (context.typeof(part) === 'string' ? context.getString(part) : ''));
}

/** The error is done with. */
function told(context: QuickJSContext, error: QuickJSHandle): string {
  return error.consume((value) => {
    const [name, message] = [textAt(context, value, 'name'), textAt(context, value, 'message')];
    return (name === '' ? context.getString(value) : `${name}: ${message}`).slice(0, MESSAGE_LENGTH_MAX);
  });
}
