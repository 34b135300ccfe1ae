/**
 * 400 sensors behind one gateway that dies: one incident, not 400 mails. Real time passes, over MQTT and SMTP.
 */
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/std/clock.ts';
import type { ServerConfig } from '../load/server.ts';
import { alertsOf, connectDevice, eventually, openScene } from './scene.ts';

const SENSORS = 400;
const SILENT_AFTER_MS = 6000;
const GROUP_WAIT_MS = 4000;

/** The fleet as users list it; with `dependsOn` the gateway is known to be what the sensors are behind. */
const fleetOf = (dependsOn: boolean): string =>
  [
    'devices:',
    '  - {id: gw-1, labels: {site: berlin}}',
    ...Array.from({ length: SENSORS }, (_, index) => {
      const behind = dependsOn ? ', dependsOn: gw-1' : '';
      return `  - {id: sensor-${index}, labels: {site: berlin, gateway: gw-1}${behind}}`;
    }),
    '',
  ].join('\n');

const CONFIG: ServerConfig = {
  rules: [
    {
      id: 'silent',
      devices: { id: '*' },
      levels: { warning: { when: "metric('never') > 1" } },
      noData: { after: `${SILENT_AFTER_MS}ms`, raise: 'warning', metrics: ['value'] },
    },
  ],
  notify: { default: { to: ['operator'], groupWait: `${GROUP_WAIT_MS}ms` }, storm: { after: 20, in: '1m' } },
  settings: { alerting: { startGrace: '0s', dependencyGrace: '2s' } },
};

async function gatewayDies(dependsOn: boolean): Promise<{ subjects: string[]; texts: string[]; firing: number }> {
  await using scene = await openScene({ ...CONFIG, fleet: fleetOf(dependsOn) });
  const server = await scene.start();
  await using gateway = await connectDevice(server, 'gateway');
  const all = ['gw-1', ...Array.from({ length: SENSORS }, (_, index) => `sensor-${index}`)];
  await Promise.all(all.map((id) => gateway.say(`sensors/${id}/telemetry`, { value: 1 })));
  // Nothing more is heard of any of them.
  const expected = dependsOn ? 1 : SENSORS;
  const firing = await eventually('the silence is noticed', SILENT_AFTER_MS + 20_000, async () => {
    const alerts = await alertsOf(server, '?state=firing');
    return alerts.length >= expected ? alerts.length : undefined;
  });
  await eventually('a mail', GROUP_WAIT_MS + 10_000, () => scene.sink.mails.length > 0);
  // Whatever else would come.
  await systemClock.sleep(2 * GROUP_WAIT_MS);
  return { subjects: scene.sink.mails.map(({ subject }) => subject), texts: scene.sink.mails.map(({ source }) => source), firing };
}

describe('400 sensors behind one dead gateway', { timeout: 120_000 }, () => {
  it('are one incident that names the gateway', async () => {
    const { subjects, firing } = await gatewayDies(false);
    expect(firing).toBeGreaterThanOrEqual(SENSORS);
    expect(subjects).toHaveLength(1);
    expect(subjects[0]).toMatch(/^\[STORM\] 40[01] alerts?.*gw-1/);
  });

  it('are one alert of the gateway, where it is known that they depend on it', async () => {
    const { subjects, firing } = await gatewayDies(true);
    expect(firing).toBe(1);
    expect(subjects).toHaveLength(1);
    expect(subjects[0]).toMatch(/gw-1/);
  });
});
