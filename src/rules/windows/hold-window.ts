/** TEMP */
export class HoldWindow {
  readonly d: number;
  readonly side: string;
  readonly t: number;
  s: [number, number, number][] = [];
  n = -Infinity;
  constructor(d: number, side: 'above' | 'below', t: number) {
    this.d = d;
    this.side = side;
    this.t = t;
  }
  add(at: number, v: number, gap: number): void {
    this.s.push([at, v, gap]);
    this.s.sort((x, y) => x[0] - y[0]);
  }
  timeUs(now: number): number {
    if (this.s.length === 0) return NaN;
    this.n = Math.max(this.n, now, this.s.at(-1)?.[0] ?? 0);
    let sum = 0;
    for (let i = 0; i + 1 < this.s.length; i++) {
      const [a, v] = this.s[i] ?? [0, 0];
      const [b, , g] = this.s[i + 1] ?? [0, 0, 0];
      if (b - a > g) continue;
      if (this.side === 'above' ? v > this.t : v < this.t) sum += Math.max(0, b - Math.max(a, this.n - this.d));
    }
    return sum;
  }
  encode(): Uint8Array {
    return Buffer.from(JSON.stringify(this.s));
  }
  static decode(b: Uint8Array, d: number, side: 'above' | 'below', t: number): HoldWindow | null {
    const w = new HoldWindow(d, side, t);
    w.s = JSON.parse(Buffer.from(b).toString());
    return w;
  }
}
