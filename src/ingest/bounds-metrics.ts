/** How far what devices bring with them has grown towards its limits, and what was refused for it: looked at when it is asked for. */
import { Counter, Gauge, type Registry } from 'prom-client';
import type { Decoder } from '../devices/decode.ts';

export function observeBounds(registry: Registry, decoder: () => Decoder): void {
  const gauge = (name: string, help: string, value: () => number): void => {
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(value());
      },
    });
  };
  const counter = (name: string, help: string, value: () => number): void => {
    new Counter({
      name,
      help,
      registers: [registry],
      collect() {
        this.reset();
        this.inc(value());
      },
    });
  };
  gauge('tocsin_devices_known', 'Devices that have spoken since the start', () => decoder().bounds.devicesKnown);
  counter('tocsin_devices_refused_total', 'Readings of devices beyond mqtt.limits.devices', () => decoder().bounds.devicesRefused);
  counter('tocsin_metrics_refused_total', 'Values of metrics beyond mqtt.limits.metricsPerDevice', () => decoder().bounds.metricsRefused);
  gauge('tocsin_learned_keys', 'What messages have taught: aliases, bindings, names and units', () => decoder().learned.size);
  counter('tocsin_learned_refused_total', 'What there was no more room to learn', () => decoder().learned.refused);
}
