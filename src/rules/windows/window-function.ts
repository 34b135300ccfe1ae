/** The functions over a window of a metric's values. */
export const WINDOW_FUNCTIONS = ['avg', 'min', 'max', 'sum', 'count', 'stddev', 'median', 'first', 'last', 'delta', 'rate'] as const;
export type WindowFunction = (typeof WINDOW_FUNCTIONS)[number];
