/** MQTT topic filters as rights: which topics one matches, and which other filters it covers. Topics that begin with $ are matched by no wildcard. */

export type TopicFilter = readonly string[];

const LEVELS_MAX = 100;
const SLASH = 0x2f;
const PLUS = 0x2b;
const HASH = 0x23;
const DOLLAR = 0x24;

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

/** `a/#` matches `a` itself, and `+` an empty level too [MQTT-4.7.1-2, 4.7.1-3, 4.7.2-1]. Asked for each message: nothing is split. */
export function matchesTopic(filter: string, topic: string): boolean {
  const first = filter.charCodeAt(0);
  if (topic.charCodeAt(0) === DOLLAR && (first === PLUS || first === HASH)) return false;
  let at = 0;
  for (let index = 0; index < filter.length; index++) {
    const char = filter.charCodeAt(index);
    if (char === HASH) return true;
    if (char === PLUS) while (at < topic.length && topic.charCodeAt(at) !== SLASH) at += 1;
    else if (at < topic.length && topic.charCodeAt(at) === char) at += 1;
    else return at === topic.length && filter.slice(index) === '/#';
  }
  return at === topic.length;
}

/** True when every topic that `other` matches is matched by this one. */
export function covers(filter: TopicFilter, other: TopicFilter): boolean {
  if (other[0]?.startsWith('$') && (filter[0] === '+' || filter[0] === '#')) return false;
  for (const [index, level] of filter.entries()) {
    if (level === '#') return true;
    const asked = other[index];
    // `a/+` covers neither `a` nor `a/#`.
    if (asked === undefined || asked === '#') return false;
    if (level !== '+' && level !== asked) return false;
  }
  return filter.length === other.length;
}
