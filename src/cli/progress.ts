/** A progress bar on stderr, for work that takes more than two seconds, and on a terminal only: a pipe never sees one. */
import { systemClock } from '../std/clock.ts';
import { formatDurationMs } from '../std/quantity.ts';

const SHOWN_AFTER_MS = 2000;
const SHOWN_EVERY_MS = 200;
const BAR_WIDTH = 24;
/** The rate is that of about the last this many ms, so that the time left follows a change of pace. */
const WINDOW_MS = 5000;

export class Progress {
  readonly #label: string;
  readonly #startedMs = systemClock.monotonicMs();
  #shownMs = 0;
  #isShown = false;
  #window: { readonly ms: number; readonly fraction: number; readonly count: number }[] = [];

  constructor(label: string) {
    this.#label = label;
  }

  /** @param fraction of the work that is done, 0 to 1 @param count what was worked through, in pieces that mean something to people */
  update(fraction: number, count: number): void {
    if (!process.stderr.isTTY) return;
    const ms = systemClock.monotonicMs();
    if (ms - this.#startedMs < SHOWN_AFTER_MS || ms - this.#shownMs < SHOWN_EVERY_MS) return;
    this.#shownMs = ms;
    this.#isShown = true;
    this.#window.push({ ms, fraction, count });
    while (this.#window.length > 2 && ms - (this.#window[0]?.ms ?? ms) > WINDOW_MS) this.#window.shift();
    const start = this.#window.length > 1 ? this.#window[0] : { ms: this.#startedMs, fraction: 0, count: 0 };
    process.stderr.write(`\r\x1b[K${progressLine(this.#label, { fraction, count, ms }, start ?? { ms, fraction, count })}`);
  }

  /** Takes the bar away; what follows begins a line. */
  done(): void {
    if (this.#isShown) process.stderr.write('\r\x1b[K');
    this.#isShown = false;
  }
}

interface Point {
  readonly ms: number;
  readonly fraction: number;
  readonly count: number;
}

export function progressLine(label: string, now: Point, before: Point): string {
  const fraction = Math.min(1, Math.max(0, now.fraction));
  const filled = Math.round(fraction * BAR_WIDTH);
  const seconds = (now.ms - before.ms) / 1000;
  const rate = seconds > 0 ? Math.round((now.count - before.count) / seconds) : 0;
  const pace = seconds > 0 ? (now.fraction - before.fraction) / seconds : 0;
  const left = pace > 0 ? `, ${formatDurationMs(Math.max(1, Math.round((1 - fraction) / pace)) * 1000)} left` : '';
  const bar = `${'█'.repeat(filled)}${'░'.repeat(BAR_WIDTH - filled)}`;
  return `${label} ${bar} ${String(Math.floor(fraction * 100)).padStart(3)} %  ${rate.toLocaleString('en')} a second${left}`;
}
