/** TEMP */
import type { WindowFunction } from './window-function.ts';
export class SampleWindow {
  readonly d: number;
  s: [number, number][] = [];
  n = -Infinity;
  constructor(durationUs: number, _f: ReadonlySet<WindowFunction>) {
    this.d = durationUs;
  }
  add(at: number, v: number): void {
    const k = this.s.findIndex(([a]) => a === at);
    if (k >= 0) this.s[k] = [at, v];
    else {
      this.s.push([at, v]);
      this.s.sort((x, y) => x[0] - y[0]);
    }
  }
  value(f: WindowFunction, now: number): number {
    this.n = Math.max(this.n, now, this.s.at(-1)?.[0] ?? -Infinity);
    this.s = this.s.filter(([a]) => a > this.n - this.d);
    const v = this.s.map(([, x]) => x);
    const n = v.length;
    if (n === 0) return NaN;
    const sum = v.reduce((a, b) => a + b, 0);
    const first = v[0] ?? NaN;
    const last = v.at(-1) ?? NaN;
    switch (f) {
      case 'avg':
        return sum / n;
      case 'sum':
        return sum;
      case 'count':
        return n;
      case 'min':
        return Math.min(...v);
      case 'max':
        return Math.max(...v);
      case 'first':
        return first;
      case 'last':
        return last;
      case 'delta':
        return n < 2 ? NaN : last - first;
      case 'rate':
        return n < 2 ? NaN : (last - first) / (((this.s.at(-1)?.[0] ?? 0) - (this.s[0]?.[0] ?? 0)) / 1e6);
      case 'stddev':
        return Math.sqrt(v.reduce((a, b) => a + (b - sum / n) ** 2, 0) / n);
      case 'median': {
        const w = v.toSorted((a, b) => a - b);
        return n % 2 ? (w[n >> 1] ?? NaN) : ((w[n / 2] ?? 0) + (w[n / 2 - 1] ?? 0)) / 2;
      }
    }
  }
  encode(): Uint8Array {
    return Buffer.from(JSON.stringify(this.s));
  }
  static decode(b: Uint8Array, d: number, f: ReadonlySet<WindowFunction>): SampleWindow | null {
    const w = new SampleWindow(d, f);
    w.s = JSON.parse(Buffer.from(b).toString());
    return w;
  }
}
