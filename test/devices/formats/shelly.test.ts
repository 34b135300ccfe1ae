import { describe, expect, it } from 'vitest';
import { decoderWith, speak, spoken } from './spoken.ts';

const info = {
  wifi_sta: { connected: true, ssid: 'x', ip: '192.0.2.7', rssi: -61 },
  mqtt: { connected: true },
  time: '09:59',
  unixtime: 1775203140,
  serial: 12,
  mac: 'AABBCC',
  relays: [{ ison: true, has_timer: false, timer_started: 0, source: 'input' }],
  meters: [{ power: 12.5, is_valid: true, timestamp: 1775203140, counters: [1, 2, 3], total: 880 }],
  tmp: { tC: 41.5, tF: 106.7 },
  update: { status: 'idle', has_update: false },
  uptime: 300,
};

describe('shelly, first generation', () => {
  it.each([
    ['a relay', 'relay/0', 'on', { 'relay.0': true }],
    ['a relay that is switched off for its load', 'relay/0', 'overpower', { 'relay.0': 'overpower' }],
    ['its power', 'relay/1/power', '17.42', { 'relay.1.power': 17.42 }],
    ['a roller', 'roller/0', 'stop', { 'roller.0': 'stop' }],
    ['where it is', 'roller/0/pos', '34', { 'roller.0.pos': 34 }],
    ['an input', 'input/1', '1', { 'input.1': 1 }],
    ['a press', 'input_event/0', { event: 'SS', event_cnt: 7 }, { 'input_event.0.event': 'SS', 'input_event.0.event_cnt': 7 }],
    ['a sensor', 'sensor/temperature', '19.25', { 'sensor.temperature': 19.25 }],
    ['a state', 'sensor/state', 'open', { 'sensor.state': 'open' }],
    ['a flood', 'sensor/flood', 'false', { 'sensor.flood': false }],
    [
      'added sensors',
      'ext_temperatures',
      { 0: { hwID: '28aabb', tC: 4.5, tF: 40.1 } },
      { 'ext_temperatures.0.tC': 4.5, 'ext_temperatures.0.tF': 40.1 },
    ],
    [
      'a light',
      'color/0/status',
      { ison: true, mode: 'color', red: 12, source: 'mqtt' },
      { 'color.0.ison': true, 'color.0.mode': 'color', 'color.0.red': 12 },
    ],
    ['a motion sensor', 'status', { motion: true, timestamp: 1775203140, lux: 40, bat: 90 }, { motion: true, lux: 40, bat: 90 }],
    ['online', 'online', 'true', { availability: true }],
    ['offline', 'online', 'false', { availability: false }],
    [
      'all of it',
      'info',
      info,
      {
        'wifi_sta.connected': true,
        'wifi_sta.rssi': -61,
        'mqtt.connected': true,
        'relays.0.ison': true,
        'relays.0.has_timer': false,
        'meters.0.power': 12.5,
        'meters.0.is_valid': true,
        'meters.0.total': 880,
        'tmp.tC': 41.5,
        'tmp.tF': 106.7,
        uptime: 300,
      },
    ],
  ])('%s', (_what, topic, payload, values) => {
    const expected = Object.fromEntries(Object.entries(values).map(([metric, value]) => [`d ${metric}`, value]));
    const found = spoken(`shellies/d/${topic}`, payload);
    expect(found).toMatchObject({ outcome: 'readings', refused: [] });
    expect(found.values).toEqual(expected);
  });

  it.each([
    ['a command', 'shellies/d/relay/0/command', 'on'],
    ['a light’s command', 'shellies/d/light/0/set', { turn: 'on' }],
    ['an announcement', 'shellies/d/announce', { id: 'd', mac: 'AABB' }],
    ['settings', 'shellies/d/settings', { device: { type: 'SHSW-1' } }],
    ['why it is awake', 'shellies/d/sensor/act_reasons', ['sensor', 'periodic']],
  ])('says nothing of a sensor: %s', (_what, topic, payload) => expect(spoken(topic, payload).outcome).toBe('ignored'));

  it.each(['shellies/announce', 'shellies/command'])('%s is of no device', (topic) => expect(spoken(topic, '{}').outcome).toBeNull());

  it('its time is that of its info, once its clock is set', () => {
    expect(spoken('shellies/d/info', info).times).toEqual(['2026-04-03T07:59:00.000Z']);
    expect(spoken('shellies/d/info', { ...info, unixtime: 0 }).times).toEqual([]);
  });
});

const status = { id: 0, source: 'init', output: true, apower: 4.2, temperature: { tC: 40, tF: 104 } };
const rpc = (method: string, params: unknown) => ({ src: 'd', dst: 'd/events', method, params });

describe('shelly, second generation', () => {
  it.each([
    [
      'a switch of a device whatever its name',
      'pv1/status/switch:0',
      status,
      { 'pv1 switch:0.output': true, 'pv1 switch:0.apower': 4.2, 'pv1 switch:0.temperature.tC': 40, 'pv1 switch:0.temperature.tF': 104 },
    ],
    ['below the old prefix', 'shellies/d/status/input:1', { id: 1, state: null, percent: 30 }, { 'd input:1.percent': 30 }],
    [
      'energy, without its last minutes',
      'shellyd/status/pm1:0',
      { id: 0, aenergy: { total: 5, by_minute: [1, 2, 3], minute_ts: 1775203140 } },
      { 'shellyd pm1:0.aenergy.total': 5 },
    ],
    [
      'a component without a number',
      'shellyd/status/wifi',
      { sta_ip: '192.0.2.1', status: 'got ip', ssid: 'x', rssi: -50 },
      { 'shellyd wifi.status': 'got ip', 'shellyd wifi.rssi': -50 },
    ],
    ['online', 'shellyd/online', 'true', { 'shellyd availability': true }],
    [
      'what changed',
      'd/events/rpc',
      rpc('NotifyStatus', { ts: 1775203140.5, 'switch:0': status }),
      { 'd switch:0.output': true, 'd switch:0.apower': 4.2, 'd switch:0.temperature.tC': 40, 'd switch:0.temperature.tF': 104 },
    ],
    [
      'what happened',
      'd/events/rpc',
      rpc('NotifyEvent', { ts: 1775203140.5, events: [{ component: 'input:0', id: 0, event: 'long_push', ts: 1775203140.5 }] }),
      { 'd input:0.event': 'long_push' },
    ],
    [
      'what a script heard',
      'd/events/rpc',
      rpc('NotifyEvent', { events: [{ component: 'script:1', event: 'blu', data: { address: 'aa:bb', temperature: 3 } }] }),
      { 'd script:1.event': 'blu', 'd script:1.data.temperature': 3 },
    ],
  ])('%s', (_what, topic, payload, values) => {
    const found = spoken(topic, payload);
    expect(found).toMatchObject({ outcome: 'readings', refused: [] });
    expect(found.values).toEqual(values);
  });

  it.each([
    ['an update', 'd/events/rpc', rpc('NotifyEvent', { events: [{ component: 'sys', event: 'ota_progress', progress_percent: 4 }] })],
    ['an answer', 'd/events/rpc', { id: 1, src: 'd', result: { output: true } }],
    ['a notification without anything', 'd/events/rpc', rpc('NotifyStatus', null)],
    ['a command', 'shellies/d/command/switch:0', 'on'],
    ['a request', 'shellies/d/rpc', { id: 1, method: 'Switch.Set' }],
  ])('says nothing of a sensor: %s', (_what, topic, payload) => expect(spoken(topic, payload).outcome).toBe('ignored'));

  it.each(['livingroom/status', 'd/status/tank', 'd/status/tank:1', 'd/online', 'd/status/wifi', 'd/rpc'])('%s may be anybody’s', (topic) =>
    expect(spoken(topic, '{"a":1}').outcome).toBeNull(),
  );

  it('under a profile, its topics are whatever the prefix is', () => {
    const profile = 'topic: "home/{device}/#"\ndecode: shelly';
    expect(spoken('home/d/status/wifi', { rssi: -40 }, profile).values).toEqual({ 'd wifi.rssi': -40 });
    expect(spoken('home/d/online', 'false', profile).values).toEqual({ 'd availability': false });
    expect(spoken('home/d/relay/0', 'off', profile).values).toEqual({ 'd relay.0': false });
  });

  it('each event has its time', () => {
    const events = [1775203100, 1775203101].map((ts) => ({ component: 'input:0', event: 'single_push', ts }));
    expect(spoken('d/events/rpc', rpc('NotifyEvent', { ts: 1775203102, events })).times).toEqual([
      '2026-04-03T07:58:20.000Z',
      '2026-04-03T07:58:21.000Z',
    ]);
    expect(spoken('d/events/rpc', rpc('NotifyStatus', { ts: 1775203140.5, 'switch:0': status })).times).toEqual([
      '2026-04-03T07:59:00.500Z',
    ]);
  });
});

describe('shelly: broken', () => {
  it.each([
    ['cut off', 'pv1/status/switch:0', '{"id":0,"apower":', 'invalid-json'],
    ['a word', 'pv1/status/switch:0', 'on', 'invalid-json'],
    ['a list', 'd/events/rpc', '[]', 'not-an-object'],
    ['no UTF-8', 'shellies/d/relay/0', Buffer.from([0xff]), 'invalid-utf8'],
    ['an unknown word', 'shellies/d/online', 'yes', 'wrong-type'],
  ])('%s', (_what, topic, payload, reason) => expect(spoken(topic, payload).outcome).toBe(reason));
});

describe('shelly: units', () => {
  it.each([
    ['power and energy', 'shellies/d/relay/0/energy', '5', { 'relay.0.energy': 'W·min' }],
    ['a meter', 'shellies/d/emeter/2/total_returned', '5', { 'emeter.2.total_returned': 'Wh' }],
    [
      'an info',
      'shellies/d/info',
      info,
      { 'wifi_sta.rssi': 'dBm', 'meters.0.power': 'W', 'meters.0.total': 'W·min', 'tmp.tC': '°C', 'tmp.tF': '°F', uptime: 's' },
    ],
    [
      'phases',
      'd/status/em:0',
      { a_current: 1, a_act_power: 2, a_pf: 1, n_current: 0, total_act_power: 3, total_aprt_power: 4 },
      { 'em:0.a_current': 'A', 'em:0.a_act_power': 'W', 'em:0.n_current': 'A', 'em:0.total_act_power': 'W', 'em:0.total_aprt_power': 'VA' },
    ],
    [
      'energy of a phase',
      'd/status/em1data:1',
      { total_act_energy: 1, total_act_ret_energy: 2 },
      { 'em1data:1.total_act_energy': 'Wh', 'em1data:1.total_act_ret_energy': 'Wh' },
    ],
    [
      'a thermostat',
      'd/status/thermostat:0',
      { current_C: 20, target_C: 21, output: true },
      { 'thermostat:0.current_C': '°C', 'thermostat:0.target_C': '°C' },
    ],
  ])('%s', (_what, topic, payload, units) => {
    const decoder = decoderWith(null);
    speak(decoder, topic, payload);
    expect(decoder.learned.description('d').units).toEqual(units);
  });
});
