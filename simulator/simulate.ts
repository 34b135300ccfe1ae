/**
 * Runs a scenario over MQTT as real devices would: a connection each, QoS 1, at a steady pace. A device has at most one
 * message under way: while the broker does not acknowledge, its next ones are skipped and counted, never queued.
 */
import { connect, type MqttClient } from 'mqtt';
import type { Clock } from '../src/std/clock.ts';
import type { Message, Scenario } from './scenario.ts';

export interface SimulationOptions {
  /** `mqtt://127.0.0.1:1883` */
  readonly url: string;
  readonly scenario: Scenario;
  /** Between two messages of a device. */
  readonly intervalMs: number;
  /** How much faster the devices' own time runs. */
  readonly speed: number;
  readonly clock: Clock;
  /** Called when the connection comes and goes, with a sentence for a person. */
  readonly report: (line: string) => void;
}

export interface Totals {
  acknowledged: number;
  skipped: number;
}

const RECONNECT_MS = 1000;
const CONNECT_TIMEOUT_MS = 5000;
const MS_PER_MINUTE = 60_000;

/** Resolves with the totals when the signal aborts; a broker that is not there is waited for. */
export async function simulate(options: SimulationOptions, signal: AbortSignal): Promise<Totals> {
  const { scenario, intervalMs, speed, clock } = options;
  const totals: Totals = { acknowledged: 0, skipped: 0 };
  const report = onChange(options.report);
  const clients = new Map(scenario.devices.map((device) => [device, openDevice(device, options.url, report)]));
  const publish = (message: Message): void => {
    const device = clients.get(message.device);
    if (device === undefined || !device.client.connected || device.isBusy) {
      totals.skipped += 1;
      return;
    }
    device.isBusy = true;
    device.client.publish(message.topic, JSON.stringify(message.payload), { qos: 1 }, (error) => {
      device.isBusy = false;
      if (error) totals.skipped += 1;
      else totals.acknowledged += 1;
    });
  };
  let dueMs = clock.monotonicMs();
  while (!signal.aborted) {
    for (const message of scenario.next((intervalMs * speed) / MS_PER_MINUTE, new Date(clock.now() / 1000))) publish(message);
    // After a pause of the whole machine the missed messages are not made up for.
    dueMs = Math.max(dueMs + intervalMs, clock.monotonicMs());
    await clock.sleep(dueMs - clock.monotonicMs(), signal);
  }
  await Promise.all([...clients.values()].map(({ client }) => client.endAsync(true)));
  return totals;
}

interface Device {
  readonly client: MqttClient;
  isBusy: boolean;
}

function openDevice(clientId: string, url: string, report: (line: string) => void): Device {
  const client = connect(url, { clientId, reconnectPeriod: RECONNECT_MS, connectTimeout: CONNECT_TIMEOUT_MS, queueQoSZero: false });
  let wasConnected = false;
  client.on('connect', () => {
    wasConnected = true;
    report(`connected to ${url}`);
  });
  const lost = (what: string): void => report(`${what}; trying again (is Tocsin running? npm start)`);
  client.on('error', (error) => lost(`cannot use ${url}: ${error.message || 'no connection'}`));
  client.on('close', () => {
    if (wasConnected) lost(`the connection to ${url} is lost`);
    wasConnected = false;
  });
  return { client, isBusy: false };
}

/** Says each thing once until something else is to be said. */
function onChange(report: (line: string) => void): (line: string) => void {
  let last = '';
  return (line) => {
    if (line !== last) report(line);
    last = line;
  };
}
