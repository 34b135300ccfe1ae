/** One window function over one metric of one device, as conditions read it and as the state store keeps it. */
import type { CellWindow } from '../frame.ts';
import type { WindowInput } from '../inputs.ts';
import { HoldWindow } from './hold-window.ts';
import { SampleWindow } from './sample-window.ts';
import { WINDOW_FUNCTIONS } from './window-function.ts';

const MICROSECONDS_PER_SECOND = 1_000_000;

export interface LiveWindow extends CellWindow {
  /** What it is shared and stored under: the function, its arguments, and what the metric was measured in. */
  readonly key: string;
  readonly metric: string;
  /** Changed since it was last encoded. */
  readonly isDirty: boolean;
  /** For the store; it counts as unchanged from then on. */
  encode(): Uint8Array;
}

/**
 * @param threshold the bound of a hold function, for this device
 * @param stored what `encode` gave; what cannot be read back begins anew
 */
export function createLiveWindow(input: WindowInput, key: string, threshold: number, stored: Uint8Array | undefined): LiveWindow {
  const { durationUs, metric } = input;
  if (input.function === 'timeAbove' || input.function === 'timeBelow') {
    const side = input.function === 'timeAbove' ? 'above' : 'below';
    const window = (stored && HoldWindow.decode(stored, durationUs, side, threshold)) ?? new HoldWindow(durationUs, side, threshold);
    return new HoldLive(key, metric, window);
  }
  const name = WINDOW_FUNCTIONS.find((known) => known === input.function) ?? 'avg';
  const functions = new Set([name]);
  const window = (stored && SampleWindow.decode(stored, durationUs, functions)) ?? new SampleWindow(durationUs, functions);
  return new SampleLive(key, metric, name, window);
}

class SampleLive implements LiveWindow {
  readonly key: string;
  readonly metric: string;
  isDirty = false;
  readonly #function: (typeof WINDOW_FUNCTIONS)[number];
  readonly #window: SampleWindow;

  constructor(key: string, metric: string, name: (typeof WINDOW_FUNCTIONS)[number], window: SampleWindow) {
    this.key = key;
    this.metric = metric;
    this.#function = name;
    this.#window = window;
  }

  get size(): number {
    return this.#window.size;
  }
  get sizeUnit(): 'samples' | 'buckets of samples' {
    return this.#window.isBucketed ? 'buckets of samples' : 'samples';
  }

  value(now: number): number {
    return this.#window.value(this.#function, now);
  }

  copy(): LiveWindow {
    return new SampleLive(this.key, this.metric, this.#function, this.#window.copy());
  }

  add(at: number, value: number): void {
    this.isDirty = true;
    this.#window.add(at, value);
  }

  encode(): Uint8Array {
    this.isDirty = false;
    return this.#window.encode();
  }
}

class HoldLive implements LiveWindow {
  readonly key: string;
  readonly metric: string;
  isDirty = false;
  readonly #window: HoldWindow;

  constructor(key: string, metric: string, window: HoldWindow) {
    this.key = key;
    this.metric = metric;
    this.#window = window;
  }

  get sizeUnit(): 'readings' {
    return 'readings';
  }
  get size(): number {
    return this.#window.size;
  }

  copy(): LiveWindow {
    return new HoldLive(this.key, this.metric, this.#window.copy());
  }

  /** In seconds. */
  value(now: number): number {
    return this.#window.timeUs(now) / MICROSECONDS_PER_SECOND;
  }

  add(at: number, value: number, maxGapUs: number): void {
    this.isDirty = true;
    this.#window.add(at, value, maxGapUs);
  }

  encode(): Uint8Array {
    this.isDirty = false;
    return this.#window.encode();
  }
}
