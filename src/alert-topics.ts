/**
 * Alerts over MQTT: the open alert is retained as JSON below `tocsin/alerts/<rule>/<device>`, and cleared when it ends.
 * What changes before there is a broker waits for it, the latest of each alert.
 */
import type { Alert } from './domain/alert.ts';
import type { Broker } from './ingest/broker.ts';
import { withTimes } from './web/times.ts';

export class AlertTopics {
  readonly #waiting = new Map<string, string>();
  #broker: Broker | null = null;

  publishThrough(broker: Broker): void {
    this.#broker = broker;
    for (const [topic, payload] of this.#waiting) publish(broker, topic, payload);
    this.#waiting.clear();
  }

  update(alerts: readonly Alert[]): void {
    for (const alert of alerts) {
      const topic = `tocsin/alerts/${topicLevel(alert.rule)}/${topicLevel(alert.device)}`;
      const payload = alert.state === 'resolved' ? '' : JSON.stringify(withTimes(alert));
      if (this.#broker === null) this.#waiting.set(topic, payload);
      else publish(this.#broker, topic, payload);
    }
  }
}

/** `/ + # %` would end, widen or escape the level. */
const topicLevel = (text: string): string => text.replace(/[/+#%]/g, (character) => encodeURIComponent(character));

/** What the broker does not take, it logs; the alert's next change is published again. */
function publish(broker: Broker, topic: string, payload: string): void {
  broker.publish(topic, payload, { retain: true }).catch(() => undefined);
}
