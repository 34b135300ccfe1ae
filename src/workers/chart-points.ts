/** Readings for the chart in a message: as they are where they are few, else the means of equal steps of time. */
import type { Point } from '../notify/composing.ts';
import type { ChartRequest } from '../notify/mail/chart-request.ts';
import type { HistoryMethods } from './history.ts';

const READINGS_MAX = 600;
const STEPS = 300;

export async function chartPoints(
  { device, metric, from, to }: ChartRequest,
  readings: (query: Parameters<HistoryMethods['readings']>[0]) => Promise<Awaited<ReturnType<HistoryMethods['readings']>>>,
): Promise<Point[]> {
  const span = { device, metric, from, to: to + 1 };
  const { items, next } = await readings({ ...span, limit: READINGS_MAX });
  if (next === null) return items.flatMap((item) => pointOf(item, metric));
  return (await readings({ ...span, points: STEPS })).items.flatMap((item) => pointOf(item, metric));
}

function pointOf(item: Awaited<ReturnType<HistoryMethods['readings']>>['items'][number], metric: string): Point[] {
  const value = 'values' in item ? item.values[metric] : item.avg;
  return value === undefined ? [] : [{ at: item.at, value }];
}
