/** The line of a chart as an SVG path: no longer than the picture is wide, whatever comes in, and broken where there are gaps. Pure. */

/** In pixels. */
export interface Spot {
  readonly x: number;
  readonly y: number;
  /** Nothing was measured between the spot before and this one. */
  readonly isAfterGap: boolean;
}

export interface Drawn {
  /** Empty: no two spots without a gap between them. */
  readonly path: string;
  /** What stands alone. */
  readonly dots: readonly Spot[];
}

/** @param isStep holds its value until the next one, as a switch does */
export function lineOf(spots: readonly Spot[], isStep: boolean): Drawn {
  const runs: Spot[][] = [];
  for (const spot of spots) {
    const run = runs.at(-1);
    if (run === undefined || spot.isAfterGap) runs.push([spot]);
    else run.push(spot);
  }
  const path = runs
    .filter((run) => run.length > 1)
    .map((run) => (isStep ? stepPath(run) : straightPath(thinned(run))))
    .join('');
  return { path, dots: runs.flatMap((run) => (run.length === 1 ? run : [])) };
}

/** Of the spots in one column of pixels the first, the lowest, the highest and the last: the drawn line is the same. */
function thinned(run: readonly Spot[]): Spot[] {
  const kept: Spot[] = [];
  let column: Spot[] = [];
  const flush = (): void => {
    const [first] = column;
    const last = column.at(-1);
    if (first === undefined || last === undefined) return;
    let [low, high] = [first, first];
    for (const spot of column) {
      if (spot.y < low.y) low = spot;
      if (spot.y > high.y) high = spot;
    }
    const wanted = new Set([first, low, high, last]);
    kept.push(...column.filter((spot) => wanted.has(spot)));
    column = [];
  };
  for (const spot of run) {
    const [first] = column;
    if (first !== undefined && Math.floor(first.x) !== Math.floor(spot.x)) flush();
    column.push(spot);
  }
  flush();
  return kept;
}

const straightPath = (run: readonly Spot[]): string =>
  run.map(({ x, y }, index) => `${index === 0 ? 'M' : 'L'}${x.toFixed(1)} ${y.toFixed(1)}`).join('');

function stepPath(run: readonly Spot[]): string {
  const parts: string[] = [];
  let before: Spot | null = null;
  for (const spot of run) {
    if (before === null) parts.push(`M${spot.x.toFixed(1)} ${spot.y.toFixed(1)}`);
    // A switch that keeps its state needs no point; one that chatters is no finer than half a pixel.
    else if (spot.y !== before.y || spot === run.at(-1)) {
      if (spot !== run.at(-1) && spot.x - before.x < 0.5) continue;
      parts.push(`H${spot.x.toFixed(1)}${spot.y === before.y ? '' : `V${spot.y.toFixed(1)}`}`);
    } else continue;
    before = spot;
  }
  return parts.join('');
}
