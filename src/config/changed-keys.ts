/** Which keys of tocsin.yaml two configs differ in, by their names in the file; the values are not told: some are secret. */
import { isDeepStrictEqual } from 'node:util';
import type { Config } from '../config.ts';

/** Where a part of the config has another name than its key. */
const KEYS: Readonly<Record<string, string>> = {
  'alerting.startGraceMs': 'alerting.startGrace',
  'alerting.dependencyGraceMs': 'alerting.dependencyGrace',
  'http.host': 'http.listen',
  'http.port': 'http.listen',
  'journal.bytesMax': 'journal.maxBytes',
  'journal.keepMs': 'journal.keep',
  'journal.reserveBytes': 'journal.reserve',
  'history.kind': 'history',
  'history.url': 'history.influx',
  'history.keepMs': 'history.keep',
  'quarantine.bytesMax': 'quarantine.maxBytes',
  'heartbeat.kind': 'heartbeat',
  'heartbeat.everyMs': 'heartbeat.every',
  'heartbeat.to': 'heartbeat.email',
};
/** What is read anew at each reload, and so is in force by it. */
const APPLIED = ['path', 'devices', 'rules', 'notify', 'credentials', 'watch', 'self.everyMs', 'mqtt.anonymous'];

/** Keys whose change takes a restart. */
export function keysThatNeedRestart(before: Config, after: Config): string[] {
  const paths = differing(before, after, '').filter((path) => !APPLIED.includes(path));
  return [...new Set(paths.map((path) => KEYS[path] ?? path))].sort();
}

function differing(before: unknown, after: unknown, path: string): string[] {
  if (isDeepStrictEqual(before, after)) return [];
  if (!isMapping(before) || !isMapping(after)) return [path];
  const keys = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...keys].flatMap((key) => differing(before[key], after[key], path === '' ? key : `${path}.${key}`));
}

const isMapping = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
