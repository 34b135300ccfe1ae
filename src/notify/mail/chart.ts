/**
 * The last hours of an alert's metric as a picture: a line with its gaps, the limits, and the time of the breach shaded. Its
 * background is clear and its colours are of a middle lightness, so that it looks right on a mail that is light or dark. Pure, and the
 * same to the byte for the same input.
 */
import type { Level } from '../../domain/alert.ts';
import { lineOf, type Spot } from './chart-line.ts';
import { bounded, dayText, timeTicks, type ValueScale, valueScale } from './chart-scale.ts';
import { escapeHtml, numberText, oneLine, withUnit } from './mail-text.ts';

export interface ChartInput {
  /** In order of time; several at one time are well. What is not finite or not within the time is left out. */
  readonly points: readonly { readonly at: number; readonly value: number }[];
  readonly from: number;
  readonly to: number;
  readonly unit: string | null;
  readonly metricName: string;
  readonly limits: readonly { readonly name: string; readonly value: number }[];
  readonly breach: { readonly from: number; readonly to: number } | null;
  readonly level: Level;
  /** Null: three times what is usual between two points, at least five minutes. */
  readonly maxGapMs: number | null;
  /** Of a switch: 0 is `false`, 1 is `true`. */
  readonly isBoolean?: boolean;
}

export const CHART_WIDTH = 560;
export const CHART_HEIGHT = 250;
const LEFT = 58;
const RIGHT = 12;
const TOP = 34;
const BOTTOM = 30;
const PLOT_RIGHT = CHART_WIDTH - RIGHT;
const PLOT_BOTTOM = CHART_HEIGHT - BOTTOM;
const TIME_TICKS_MAX = 6;
/** Large enough to be read on a phone, where the picture is as wide as the screen. */
const FONT_SIZE = 16;
const LABEL_SIZE = 15;
const LIMITS_MAX = 4;
const POINTS_MAX = 100_000;
const GAP_FLOOR_MS = 300_000;
/** A limit that far beyond the values would flatten the line: it is named at the edge. */
const LIMIT_SPANS_MAX = 6;

const TEXT = '#7b8291';
const GRID = '#8a91a0';
const LINE = '#3b82d6';
const LEVELS: Readonly<Record<Level, string>> = { critical: '#e0483b', warning: '#dc7a1c', info: '#3b82d6' };

export function chartSvg(input: ChartInput): string {
  const from = input.from;
  const to = Math.max(input.to, from + 1_000_000);
  const points = shownPoints(input, from, to);
  const limits = input.isBoolean ? [] : input.limits.filter(({ value }) => Number.isFinite(value)).slice(0, LIMITS_MAX);
  const scale = input.isBoolean ? SWITCH : scaleOf(points, limits);
  const frame: Frame = {
    xOf: (at) => LEFT + ((at - from) / (to - from)) * (PLOT_RIGHT - LEFT),
    // Halves first: the difference of the ends may be all that a number holds.
    yOf: (value) => PLOT_BOTTOM - clamped((bounded(value) / 2 - scale.min / 2) / (scale.max / 2 - scale.min / 2)) * (PLOT_BOTTOM - TOP),
  };
  const colour = LEVELS[input.level];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${CHART_WIDTH}" height="${CHART_HEIGHT}" viewBox="0 0 ${CHART_WIDTH} ${CHART_HEIGHT}" font-family="IBM Plex Sans" font-size="${FONT_SIZE}" fill="${TEXT}">`,
    ...breachOf(input, frame, { from, to }, colour),
    ...axesOf(scale, frame, { from, to }),
    title(input),
    ...lineMarkup(points, input, frame),
    ...limits.map((limit) => limitMarkup(limit, { scale, frame, unit: input.unit, colour })),
    ...(points.length === 0 ? [text((LEFT + PLOT_RIGHT) / 2, (TOP + PLOT_BOTTOM) / 2, 'no readings in this time', 'middle')] : []),
    '</svg>',
    '',
  ].join('\n');
}

/** `temperature from 21:04 to 03:04 UTC: between 4.1 °C and 9.3 °C, last 9.3 °C`: what it shows, for who does not see it. */
export function describeChart(input: ChartInput): string {
  const { metricName, unit, from, to, isBoolean } = input;
  const points = shownPoints(input, from, Math.max(to, from + 1_000_000));
  const clock = (at: number): string => new Date(at / 1000).toISOString().slice(11, 16);
  const day = (at: number): string => (dayText(from) === dayText(to) ? '' : `${dayText(at)} `);
  const what = `Chart of ${oneLine(metricName, 60)} from ${day(from)}${clock(from)} to ${day(to)}${clock(to)} UTC`;
  const last = points.at(-1)?.value;
  if (last === undefined) return `${what}: no readings`;
  const shown = (value: number): string => (isBoolean ? String(value !== 0) : withUnit(roughText(value), unit));
  let [low, high] = [last, last];
  for (const { value } of points) [low, high] = [Math.min(low, value), Math.max(high, value)];
  return `${what}: ${low === high ? shown(low) : `${shown(low)} to ${shown(high)}`}, last ${shown(last)}`;
}

/** Three digits, and one behind the point at least: nobody reads a hundredth off a picture. */
function roughText(value: number): string {
  const digits = Math.abs(value) < 1 ? 3 : Math.min(15, Math.max(3, Math.ceil(Math.log10(Math.abs(value))) + 1));
  return String(Number(value.toPrecision(digits)));
}

interface Frame {
  readonly xOf: (at: number) => number;
  readonly yOf: (value: number) => number;
}
interface Span {
  readonly from: number;
  readonly to: number;
}
type Point = ChartInput['points'][number];
type Limit = ChartInput['limits'][number];

const SWITCH: ValueScale = {
  min: -0.15,
  max: 1.15,
  ticks: [
    { value: 0, text: 'false' },
    { value: 1, text: 'true' },
  ],
};

const clamped = (part: number): number => Math.min(1, Math.max(0, part));

const shownPoints = ({ points }: ChartInput, from: number, to: number): Point[] =>
  points.filter(({ at, value }) => Number.isFinite(value) && at >= from && at <= to).slice(-POINTS_MAX);

function scaleOf(points: readonly Point[], limits: readonly Limit[]): ValueScale {
  const values = points.map(({ value }) => bounded(value));
  const alone = valueScale(values);
  const reach = (alone.max / 2 - alone.min / 2) * 2 * LIMIT_SPANS_MAX;
  const isConstant = values.every((value) => value === values[0]);
  const near = limits.map(({ value }) => bounded(value)).filter((value) => isConstant || isNear(value, alone, reach));
  return valueScale([...values, ...near]);
}
const isNear = (value: number, { min, max }: ValueScale, reach: number): boolean => value >= min - reach && value <= max + reach;

function breachOf({ breach }: ChartInput, { xOf }: Frame, { from, to }: Span, colour: string): string[] {
  if (breach === null || breach.to < from || breach.from > to) return [];
  const [left, right] = [xOf(Math.max(from, breach.from)), xOf(Math.min(to, breach.to))];
  const [x, width] = [left.toFixed(1), Math.max(1.5, right - left).toFixed(1)];
  const began = breach.from < from ? [] : [`<path d="M${x} ${TOP}V${PLOT_BOTTOM}" stroke="${colour}" stroke-opacity=".6"/>`];
  return [`<rect x="${x}" y="${TOP}" width="${width}" height="${PLOT_BOTTOM - TOP}" fill="${colour}" fill-opacity=".14"/>`, ...began];
}

function axesOf({ ticks }: ValueScale, { xOf, yOf }: Frame, { from, to }: Span): string[] {
  const values = ticks.map(({ value, text: shown }) => {
    const y = yOf(value).toFixed(1);
    return `<path d="M${LEFT} ${y}H${PLOT_RIGHT}" stroke="${GRID}" stroke-opacity=".25"/>${text(LEFT - 6, yOf(value) + 5.5, shown, 'end')}`;
  });
  const times = timeTicks(from, to, TIME_TICKS_MAX).map(({ at, text: shown }) => {
    const x = xOf(at);
    // A label in the corner would be cut off, or run into the zone.
    const label = x < LEFT + 4 || x > PLOT_RIGHT - 18 ? '' : text(x, PLOT_BOTTOM + 22, shown, 'middle');
    return `<path d="M${x.toFixed(1)} ${PLOT_BOTTOM}v4" stroke="${GRID}" stroke-opacity=".7"/>${label}`;
  });
  return [...values, `<path d="M${LEFT} ${PLOT_BOTTOM}H${PLOT_RIGHT}" stroke="${GRID}" stroke-opacity=".7"/>`, ...times];
}

function title({ metricName, unit }: ChartInput): string {
  const name = drawable(oneLine(metricName, 48));
  const measured = unit === null || unit === '' ? '' : ` in ${drawable(oneLine(unit, 16))}`;
  return text(LEFT, 20, `${name}${measured}`, 'start') + text(PLOT_RIGHT, 20, 'times in UTC', 'end');
}

function lineMarkup(points: readonly Point[], input: ChartInput, { xOf, yOf }: Frame): string[] {
  const gapUs = (input.maxGapMs ?? usualGapMs(points)) * 1000;
  let before = Number.NEGATIVE_INFINITY;
  const spots = points.map(({ at, value }): Spot => {
    const isAfterGap = at - before > gapUs;
    before = at;
    return { x: xOf(at), y: yOf(value), isAfterGap };
  });
  const { path, dots } = lineOf(spots, input.isBoolean === true);
  const last = spots.at(-1);
  return [
    ...(path === ''
      ? []
      : [`<path d="${path}" fill="none" stroke="${LINE}" stroke-width="2" stroke-linejoin="round" stroke-linecap="round"/>`]),
    ...thinnedDots(dots).map((dot) => circle(dot, 2)),
    ...(last === undefined ? [] : [circle(last, 3.5)]),
  ];
}

const circle = ({ x, y }: Spot, radius: number): string =>
  `<circle cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="${radius}" fill="${LINE}"/>`;

/** Two dots on one spot are one. */
const thinnedDots = (dots: readonly Spot[]): Spot[] => [
  ...new Map(dots.map((dot) => [`${Math.round(dot.x)} ${Math.round(dot.y)}`, dot])).values(),
];

/** Three times the median of what lies between two points. */
function usualGapMs(points: readonly Point[]): number {
  const between = points.slice(1).map(({ at }, index) => (at - (points[index]?.at ?? at)) / 1000);
  const median = between.sort((a, b) => a - b)[between.length >> 1] ?? 0;
  return Math.max(GAP_FLOOR_MS, 3 * median);
}

function limitMarkup(limit: Limit, options: { scale: ValueScale; frame: Frame; unit: string | null; colour: string }): string {
  const { scale, frame, unit, colour } = options;
  const value = bounded(limit.value);
  const shown = `${limit.name === '' ? 'limit' : drawable(oneLine(limit.name, 40))} ${drawable(withUnit(numberText(limit.value), unit))}`;
  const label = (y: number, content: string): string =>
    `<text x="${LEFT + 6}" y="${y.toFixed(1)}" fill="${colour}" font-size="${LABEL_SIZE}">${escapeHtml(content)}</text>`;
  if (value > scale.max) return label(TOP + 15, `↑ ${shown}`);
  if (value < scale.min) return label(PLOT_BOTTOM - 6, `↓ ${shown}`);
  const y = frame.yOf(value);
  const isHigh = y < TOP + 20;
  return `<path d="M${LEFT} ${y.toFixed(1)}H${PLOT_RIGHT}" stroke="${colour}" stroke-width="1.5" stroke-dasharray="6 4"/>${label(isHigh ? y + 17 : y - 6, shown)}`;
}

const text = (x: number, y: number, content: string, anchor: 'start' | 'middle' | 'end'): string =>
  `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}">${escapeHtml(content)}</text>`;

/** The letters that the chart's font has: Latin, Greek, Cyrillic and the signs of units. */
const drawable = (shown: string): string =>
  shown.replace(
    /[^\u0020-\u007e\u00a0-\u017f\u0384-\u03ce\u0400-\u045f\u2013-\u2026\u2070-\u2089\u2103-\u2126\u2190-\u2193\u2211-\u2265]/gu,
    '?',
  );
