/** What to do about a rejection, by its reason: for people, beside the detail that says what was wrong. */

const IN_PROFILE = 'in the profile';

const REMEDIES: Readonly<Record<string, string>> = {
  'invalid-json': 'the device sends no JSON: correct it there, or name the format that it speaks, `decode:` in the profile',
  'invalid-utf8': 'the payload is binary: name its format, `decode:` (and `compression:`) in the profile',
  'invalid-gzip': 'the payload is not what `compression: gzip` says: take that out of the profile, or correct the device',
  'not-an-object': 'values need names: publish an object, or one value on a topic that names the metric',
  'parse-error': 'the payload is not of this format: is `decode:` right, and the topic that of the messages it is for?',
  'not-a-number': `if this is how the device says that it has no value, put it into \`absent:\` of the metric; if it is text, \`type: text\` ${IN_PROFILE}`,
  'wrong-type': `\`type:\` of the metric ${IN_PROFILE} says what it is: number, boolean or text`,
  'out-of-range': `widen \`range:\` of the metric ${IN_PROFILE}, or put the value into \`absent:\` if it means that there is none`,
  'too-long': 'no text is kept at this length: let the device send less',
  'too-deep': 'let the device nest less deeply',
  'too-many-values': 'let the device send fewer at a time',
  'too-many-metrics': 'raise mqtt.limits.metricsPerDevice, or let the names of values not vary',
  'too-many-devices': 'raise mqtt.limits.devices, or see why topics vary: tocsin devices',
  'too-much-learned': 'descriptions and discovery messages exceed what is kept: clear retained ones that nobody needs',
  'no-metric': `name the metric in the topic, \`{metric}\`, or give the profile exactly one`,
  'no-device': 'name the device in the topic: `{device}` in the `topic:` of the profile',
  'invalid-device': 'the topic names the device: give it another name, or take another level for `{device}`',
  'reserved-device': 'let the device go by another name',
  'invalid-metric': 'give the metric another name: `path:` in the profile says where it stands in the message',
  'unknown-device': 'list the device in fleet.yaml, or say `unknown: accept` there',
  'clock-skew': `set the device's clock, or see \`maxPast\`, \`maxFuture\` and \`clockSkew\` ${IN_PROFILE}`,
  'invalid-time': '`time:` in the profile says where the time stands; a number is s, ms, µs or ns',
  'no-sensor-topic': 'add the topic to a profile: `topic:`',
  'history-type-conflict': 'the history has the metric with another type: give it another name, or correct its type, in the profile',
  'history-beyond-retention': 'it is older than what the history keeps: `history.keep`',
};

/** Null: nothing general is to be said. */
export const remedyFor = (reason: string): string | null => (Object.hasOwn(REMEDIES, reason) ? (REMEDIES[reason] ?? null) : null);
