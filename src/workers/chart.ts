/**
 * The chart in a mail, drawn on the history thread: it takes a tenth of a second, which nothing that decides may wait for. Readings are
 * shown as they are where they are few, else the means of equal steps of time.
 */
import type { SeriesPage, SeriesQuery } from '../history/series-store.ts';
import type { Chart, ChartOrder } from '../notify/composing.ts';
import { chartSvg, describeChart } from '../notify/mail/chart.ts';
import { chartPng } from '../notify/mail/chart-png.ts';
import { chartInputOf } from '../notify/mail/chart-request.ts';

const READINGS_MAX = 600;
const STEPS = 300;

interface Point {
  readonly at: number;
  readonly value: number | boolean | string;
}

/** Null: there is nothing to show. */
export async function drawChart(
  { request, alert, facts }: ChartOrder,
  readings: (query: SeriesQuery) => Promise<SeriesPage>,
): Promise<Chart | null> {
  const points = withLatest(await pointsOf(request, readings), alert, request.to);
  if (points.length === 0) return null;
  const input = chartInputOf({ ...request, from: beginning(request, points) }, { alert, facts, points });
  return { png: chartPng(chartSvg(input)), describes: describeChart(input) };
}

async function pointsOf(
  { device, metric, from, to }: ChartOrder['request'],
  readings: (query: SeriesQuery) => Promise<SeriesPage>,
): Promise<Point[]> {
  const span = { device, metric, from, to: to + 1 };
  const { items, next } = await readings({ ...span, limit: READINGS_MAX });
  const shown = next === null ? items : (await readings({ ...span, points: STEPS })).items;
  return shown.flatMap((item) => {
    const value = 'values' in item ? item.values[metric] : item.avg;
    return value === undefined ? [] : [{ at: item.at, value }];
  });
}

/** Of a device that is new the hours before it are no news. */
function beginning({ from, to }: ChartOrder['request'], [first]: readonly Point[]): number {
  return first === undefined ? from : Math.max(from, Math.floor(first.at - (to - first.at) / 20));
}

/** History lags a moment behind: the value that the alert is about is known. */
function withLatest(points: readonly Point[], { value, state }: ChartOrder['alert'], at: number): readonly Point[] {
  const last = points.at(-1);
  if (value === null || state !== 'firing' || last === undefined || last.value === value || last.at >= at) return points;
  return [...points, { at, value }];
}
