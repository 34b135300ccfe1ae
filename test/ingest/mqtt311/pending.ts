/** Statements that our broker does not hold to yet, by the start of their key, with the reason. One that holds fails until it is taken off. */

const GATE = 'the gate in front of Aedes checks this';

const PENDING: Readonly<Record<string, string>> = {
  '[MQTT-1.5.3-1]': GATE,
  '[MQTT-1.5.3-2]': GATE,
  '[MQTT-2.3.1-1]': GATE,
  '[MQTT-3.1.2-2] an unknown protocol level': GATE,
  '[MQTT-3.1.2-14]': GATE,
  '[MQTT-3.1.2-18]': GATE,
  '[MQTT-3.1.2-20]': GATE,
  '[MQTT-3.1.2-22]': GATE,
  '[MQTT-3.1.3-4]': GATE,
  '[MQTT-3.1.3-8]': GATE,
  '[MQTT-3.1.3-10]': GATE,
  '[MQTT-3.1.3-11]': GATE,
  '[MQTT-3.1.4-1] a CONNECT with bytes after its end': GATE,
  '[MQTT-3.2.2-4]': GATE,
  '[MQTT-3.8.3-1]': GATE,
  '[MQTT-3.10.3-1]': GATE,
  '[MQTT-3.10.3-2]': GATE,
  '[MQTT-4.7.1-2] a wildcard is a level of its own, and # the last: a# ': GATE,
  '[MQTT-4.7.1-3] a wildcard is a level of its own, and # the last: a+ ': GATE,
  '[MQTT-4.7.1-3] a wildcard is a level of its own, and # the last: a+/b': GATE,
  '[MQTT-4.7.1-3] a wildcard is a level of its own, and # the last: +a ': GATE,
  '[MQTT-4.7.1-3] a wildcard is a level of its own, and # the last: a/+b': GATE,
  '[MQTT-4.7.1-3] a wildcard is a level of its own, and # the last: ++': GATE,
  '[MQTT-4.7.3-2]': GATE,
  '[MQTT-4.8.0-1] a protocol violation ends': GATE,
};

export const pendingReason = (key: string): string | undefined => Object.entries(PENDING).find(([start]) => key.startsWith(start))?.[1];
