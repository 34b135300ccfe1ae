/** The functions that a window of samples answers, as conditions name them. */
export const WINDOW_FUNCTIONS = ['avg', 'min', 'max', 'sum', 'count', 'stddev', 'median', 'first', 'last', 'delta', 'rate'] as const;

export type WindowFunction = (typeof WINDOW_FUNCTIONS)[number];

/** One bit a function, in the order of the list: its order must not change, windows are stored with it. */
export function functionMask(functions: ReadonlySet<WindowFunction>): number {
  let mask = 0;
  WINDOW_FUNCTIONS.forEach((name, index) => {
    if (functions.has(name)) mask |= 1 << index;
  });
  return mask;
}
