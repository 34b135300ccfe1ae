/** Whether a topic filter matches a topic name, as MQTT has it: `a/#` matches `a`, and `+` an empty level too [MQTT-4.7.1-2, 4.7.1-3]. */

const SLASH = 0x2f;
const PLUS = 0x2b;
const HASH = 0x23;
const DOLLAR = 0x24;

export function filterMatches(filter: string, topic: string): boolean {
  const first = filter.charCodeAt(0);
  // [MQTT-4.7.2-1]
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
