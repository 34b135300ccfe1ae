/** MQTT topic filters as rights: which topics one matches, and which other filters it covers. Topics that begin with $ are matched by no wildcard. */

export type TopicFilter = readonly string[];

const LEVELS_MAX = 100;

/** @returns what is wrong with it, as a sentence */
export function filterProblem(text: string): string | null {
  if (text === '') return 'a topic is not empty';
  if (text.includes('\0')) return 'a topic has no U+0000';
  const levels = text.split('/');
  if (levels.length > LEVELS_MAX) return `a topic has at most ${LEVELS_MAX} levels`;
  for (const [index, level] of levels.entries()) {
    if (level === '#' && index === levels.length - 1) continue;
    if (level !== '+' && /[+#]/.test(level)) return '+ takes a whole level, and # is the whole last one';
  }
  return null;
}

/** `a/#` matches `a` itself too. */
export function matchesTopic(filter: TopicFilter, topic: readonly string[]): boolean {
  if (isReserved(topic) && isWildcard(filter[0])) return false;
  for (const [index, level] of filter.entries()) {
    if (level === '#') return true;
    if (index >= topic.length || (level !== '+' && level !== topic[index])) return false;
  }
  return filter.length === topic.length;
}

/** True when every topic that `other` matches is matched by this one. */
export function covers(filter: TopicFilter, other: TopicFilter): boolean {
  if (isReserved(other) && isWildcard(filter[0])) return false;
  for (const [index, level] of filter.entries()) {
    if (level === '#') return true;
    const asked = other[index];
    // `a/+` covers neither `a` nor `a/#`.
    if (asked === undefined || asked === '#') return false;
    if (level !== '+' && level !== asked) return false;
  }
  return filter.length === other.length;
}

const isReserved = (levels: readonly string[]): boolean => levels[0]?.startsWith('$') === true;
const isWildcard = (level: string | undefined): boolean => level === '+' || level === '#';
