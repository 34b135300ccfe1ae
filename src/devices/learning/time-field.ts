/** Which field of the payload is the device's own time: one that reads as a time, near the one of receipt. */
import { isObject, type JsonObject } from '../decoders/json.ts';
import { isTimeZone, readDeviceTime } from '../time.ts';
import { documentsOf, type Heard } from './heard.ts';

export interface TimeField {
  /** Dotted. */
  readonly path: string;
  /** For times without a zone; null: they have one. */
  readonly timezone: string | null;
}

const DAY_US = 86_400_000_000;
/** Where it is not known when it was published, a time of the last years will do if its name says that it is one. */
const RECORDED_WITHIN_US = 3650 * DAY_US;
/** A wrong zone is wrong by a quarter of an hour at least. */
const ZONE_WITHIN_US = 420_000_000;
const DEPTH_MAX = 3;
const DOCUMENTS_MAX = 2000;
const FIELDS_MAX = 200;
/** Not every message of a device need have it. */
const SHARE_MIN = 0.5;
const TIME_NAME = /(?:^|[^a-z])(?:ts|t|time|timestamp|date|datetime|when|utc|epoch|at|tst)(?:$|[^a-z])|time|stamp/i;

interface Field {
  readonly path: string;
  readonly raws: { readonly raw: unknown; readonly heard: Heard }[];
}

/** @param zone of whoever asks, tried for times without one */
export function timeFieldOf(heard: readonly Heard[], zone: string): TimeField | null {
  const fields = new Map<string, Field>();
  let documents = 0;
  for (const message of heard) {
    for (const document of documentsOf(message.payload) ?? []) {
      documents += 1;
      if (documents > DOCUMENTS_MAX) break;
      collect(document, '', (path, raw) => {
        const field = fields.get(path) ?? { path, raws: [] };
        if (!fields.has(path) && fields.size >= FIELDS_MAX) return;
        field.raws.push({ raw, heard: message });
        fields.set(path, field);
      });
    }
  }
  const seen = Math.min(documents, DOCUMENTS_MAX);
  const candidates = [...fields.values()].filter(({ raws }) => raws.length >= seen * SHARE_MIN);
  const timed = candidates.flatMap((field) => timeIn(field, zone) ?? []);
  const rank = ({ path }: TimeField): number => (hasTimeName(path) ? 0 : 1) + path.split('.').length / 10;
  return timed.toSorted((a, b) => rank(a) - rank(b))[0] ?? null;
}

const hasTimeName = (path: string): boolean => TIME_NAME.test(path.split('.').at(-1) ?? '');

function collect(object: JsonObject, prefix: string, take: (path: string, raw: unknown) => void, depth = 1): void {
  for (const [key, raw] of Object.entries(object)) {
    const path = prefix === '' ? key : `${prefix}.${key}`;
    if (isObject(raw)) {
      if (depth < DEPTH_MAX) collect(raw, path, take, depth + 1);
    } else if (typeof raw === 'number' || typeof raw === 'string') take(path, raw);
  }
}

/** Every value of it is a time that is near enough, read in one way. */
function timeIn({ path, raws }: Field, zone: string): TimeField | null {
  const isZoned = raws.every(({ raw, heard }) => isNear(readDeviceTime(raw, null, heard.receivedAt), heard, path, DAY_US));
  if (isZoned) return { path, timezone: null };
  const isLocal = raws.every(({ raw, heard }) => readDeviceTime(raw, null, heard.receivedAt) === 'no-zone');
  // Without its time of receipt nobody can tell which zone a local time is in.
  if (!isLocal || !raws.some(({ heard }) => heard.isTimed)) return null;
  const fits = (candidate: string): boolean =>
    raws.every(({ raw, heard }) => !heard.isTimed || isNear(readDeviceTime(raw, candidate, heard.receivedAt), heard, path, ZONE_WITHIN_US));
  const timezone = ['UTC', zone].find((candidate) => isTimeZone(candidate) && fits(candidate));
  return timezone === undefined ? null : { path, timezone };
}

function isNear(time: ReturnType<typeof readDeviceTime>, { receivedAt, isTimed }: Heard, path: string, withinUs: number): boolean {
  if (typeof time !== 'number') return false;
  if (isTimed) return Math.abs(time - receivedAt) <= withinUs;
  return hasTimeName(path) && time <= receivedAt + DAY_US && receivedAt - time <= RECORDED_WITHIN_US;
}
