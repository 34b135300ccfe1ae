/** Durations and sizes as people write them in YAML: `10m`, `1h30m`, `10GB`, `256 MiB`. */

const DURATION_UNITS_MS: Record<string, number> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};
const SIZE_UNITS: Record<string, number> = {
  '': 1,
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KIB: 1024,
  MIB: 1024 ** 2,
  GIB: 1024 ** 3,
  TIB: 1024 ** 4,
};

export const DURATION = /^(?:\d+(?:\.\d+)?(?:ms|[smhdw]))+$/;
export const SIZE = /^\s*(\d+(?:\.\d+)?)\s*((?:[KMGTkmgt][Ii]?)?[Bb]|)\s*$/;

/** `90s` → 90000; undefined when the text is no duration. */
export function parseDurationMs(text: string): number | undefined {
  const parts = DURATION.test(text) ? text.match(/\d+(?:\.\d+)?(?:ms|[smhdw])/g) : null;
  if (parts === null) return undefined;
  let total = 0;
  for (const part of parts) {
    const unit = part.replace(/^[\d.]+/, '');
    total += Number.parseFloat(part) * (DURATION_UNITS_MS[unit] ?? Number.NaN);
  }
  return total;
}

/** `10GB` → 10_000_000_000; undefined when the text is no size. */
export function parseSizeBytes(text: string): number | undefined {
  const match = SIZE.exec(text);
  if (match === null) return undefined;
  const factor = SIZE_UNITS[(match[2] ?? '').toUpperCase()];
  return factor === undefined ? undefined : Math.round(Number(match[1]) * factor);
}

/** As it could stand in a YAML file: `formatDurationMs` without rounding; null is `off`. */
export function writtenDuration(durationMs: number | null): string {
  if (durationMs === null) return 'off';
  if (durationMs === 0) return '0s';
  return durationMs % 1000 === 0 ? formatDurationMs(durationMs) : `${durationMs}ms`;
}

/** 10_000_000_000 → `10GB`; a number that is no whole count of a unit stays a number. */
export function formatSizeBytes(bytes: number): string | number {
  const unit = ['TB', 'GB', 'MB', 'KB'].find((candidate) => bytes > 0 && bytes % (SIZE_UNITS[candidate] ?? 1) === 0);
  return unit === undefined ? bytes : `${bytes / (SIZE_UNITS[unit] ?? 1)}${unit}`;
}

/** 5_400_000 → `1h30m`; the largest units first, nothing below a second unless it is all there is. */
export function formatDurationMs(durationMs: number): string {
  if (durationMs < 1000) return `${Math.round(durationMs)}ms`;
  let rest = Math.round(durationMs / 1000);
  let text = '';
  for (const [unit, seconds] of [
    ['d', 86_400],
    ['h', 3600],
    ['m', 60],
    ['s', 1],
  ] as const) {
    const count = Math.floor(rest / seconds);
    if (count > 0) text += `${count}${unit}`;
    rest -= count * seconds;
  }
  return text === '' ? '0s' : text;
}
