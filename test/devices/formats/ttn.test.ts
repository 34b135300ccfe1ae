/** Messages of The Things Stack, on its own topics and on others. */
import { describe, expect, it } from 'vitest';
import { decode, decoderOf, valuesOf } from './seen.ts';

const IDS = { device_id: 'cellar-1', application_ids: { application_id: 'house' }, dev_eui: '70B3D57ED0001234', dev_addr: '260B1234' };
const UP = 'v3/house@ttn/devices/cellar-1/up';
const uplink = (message: object, rest: object = {}): object => ({
  end_device_ids: IDS,
  correlation_ids: ['gs:uplink:01'],
  received_at: '2026-04-03T07:59:58.123456789Z',
  uplink_message: message,
  ...rest,
});

const gateway = (rssi: number, snr?: number): object => ({
  gateway_ids: { gateway_id: 'roof', eui: '58A0CBFFFE800001' },
  time: '2026-04-03T07:59:57.9Z',
  timestamp: 2463457000,
  rssi,
  channel_rssi: rssi,
  ...(snr !== undefined && { snr }),
  location: { latitude: 52.5, longitude: 13.4 },
});

it('reads the decoded payload and how it was received', () => {
  const message = {
    session_key_id: 'AXA50tHUGUucuzS/bCGMNw==',
    f_port: 2,
    f_cnt: 4711,
    frm_payload: 'AWcA3A==',
    decoded_payload: { temperature: 22, door: { open: true }, note: 'ok', missing: null, list: [1, 2] },
    rx_metadata: [gateway(-113, -4.5), gateway(-120)],
    settings: { data_rate: { lora: { bandwidth: 125000, spreading_factor: 12 } }, frequency: '868100000' },
    consumed_airtime: '1.3s',
    last_battery_percentage: { f_cnt: 4700, value: 94.5, received_at: '2026-04-02T00:00:00Z' },
    locations: { user: { latitude: 1, longitude: 2, source: 'SOURCE_REGISTRY' } },
  };
  expect(decode(decoderOf(), UP, uplink(message))).toEqual({
    readings: [
      {
        device: 'cellar-1',
        labels: { application: 'house@ttn' },
        at: '2026-04-03T07:59:58.123Z',
        values: {
          temperature: 22,
          'door.open': true,
          note: 'ok',
          'list.0': 1,
          'list.1': 2,
          'rx_metadata.0.rssi': -113,
          'rx_metadata.0.snr': -4.5,
          'rx_metadata.1.rssi': -120,
          'last_battery_percentage.value': 94.5,
        },
      },
    ],
    refused: [],
  });
});

it('reads normalized measurements, each at its time', () => {
  const normalized_payload = [
    { air: { temperature: 21.5, relativeHumidity: 40, location: 'indoor' }, time: '2026-04-03T07:00:00Z' },
    { soil: { moisture: 33 }, wind: { speed: 3 } },
  ];
  const decoder = decoderOf();
  expect(decode(decoder, UP, uplink({ f_port: 1, normalized_payload }))).toMatchObject({
    readings: [
      { at: '2026-04-03T07:00:00.000Z', values: { 'air.temperature': 21.5, 'air.relativeHumidity': 40, 'air.location': 'indoor' } },
      { at: '2026-04-03T07:59:58.123Z', values: { 'soil.moisture': 33, 'wind.speed': 3 } },
    ],
  });
  const alone = { end_device_ids: IDS, uplink_normalized: { f_port: 1, normalized_payload: { air: { pressure: 1000 } } } };
  expect(valuesOf(decoder, `${UP}/normalized`, alone)).toEqual({ 'air.pressure': 1000 });
  expect(decoder.learned.description('cellar-1').units).toEqual({
    'air.temperature': '°C',
    'air.relativeHumidity': '%',
    'air.pressure': 'hPa',
    'soil.moisture': '%',
    'wind.speed': 'm/s',
  });
});

it('takes values that name their unit under the name of the object', () => {
  const decoder = decoderOf();
  const decoded_payload = {
    air_temperature: { displayName: 'Air temperature', unit: '°C', value: 27.5 },
    activity: { displayName: 'Activity', value: 3 },
    device_id: 3005,
  };
  expect(valuesOf(decoder, UP, uplink({ decoded_payload }))).toEqual({ air_temperature: 27.5, activity: 3, device_id: 3005 });
  expect(decoder.learned.description('cellar-1').units).toEqual({ air_temperature: '°C' });
});

it('reads a location that was solved', () => {
  const location_solved = {
    service: 'geo',
    location: { latitude: 52.1, longitude: 13.2, accuracy: 40, source: 'SOURCE_WIFI_RSSI_GEOLOCATION' },
  };
  const message = { end_device_ids: IDS, received_at: '2026-04-03T07:59:00Z', location_solved };
  expect(valuesOf(decoderOf(), 'v3/house@ttn/devices/cellar-1/location/solved', message)).toEqual({
    'location.latitude': 52.1,
    'location.longitude': 13.2,
    'location.accuracy': 40,
  });
});

it.each([
  ['join', { end_device_ids: IDS, join_accept: { session_key_id: 'x' } }],
  ['down/queued', { end_device_ids: IDS, downlink_queued: { f_port: 1, frm_payload: 'AA==' } }],
  ['down/push', { downlinks: [{ f_port: 1, frm_payload: 'AA==', decoded_payload: { temperature: 99 } }] }],
  ['down/failed', { end_device_ids: IDS, downlink_failed: {} }],
  ['service/data', { end_device_ids: IDS, service_data: { service: 'x', data: { temperature: 99 } } }],
  ['up', uplink({ f_cnt: 1 })],
  ['up', { end_device_ids: IDS }],
])('%s says nothing of a sensor', (event, message) => {
  expect(decode(decoderOf(), `v3/house@ttn/devices/cellar-1/${event}`, message)).toBe('nothing');
});

it('finds the device in the message where the topic does not name it', () => {
  const decoder = decoderOf('topic: bridge/lorawan\ndecode: ttn');
  expect(decode(decoder, 'bridge/lorawan', uplink({ decoded_payload: { a: 1 } }))).toMatchObject({ readings: [{ device: 'cellar-1' }] });
});

describe('with cayenne-lpp as codec', () => {
  const decoder = decoderOf('topic: v3/{application}/devices/{device}/#\ndecode: {format: ttn, codec: cayenne-lpp}');
  it('reads the frame, not what the network server made of it', () => {
    const message = { f_port: 1, frm_payload: 'A2cBEAVnAP8=', decoded_payload: { other: 1 }, rx_metadata: [gateway(-50)] };
    expect(valuesOf(decoder, UP, uplink(message))).toEqual({ temperature_3: 27.2, temperature_5: 25.5, 'rx_metadata.0.rssi': -50 });
  });
  it('keeps how it was received when there is no frame', () => {
    expect(valuesOf(decoder, UP, uplink({ rx_metadata: [gateway(-50)] }))).toEqual({ 'rx_metadata.0.rssi': -50 });
  });
  it('refuses the message when the frame is none', () => {
    expect(decode(decoder, UP, uplink({ frm_payload: 'AwA', rx_metadata: [gateway(-50)] }))).toBe('parse-error');
    expect(decode(decoder, UP, uplink({ frm_payload: 'not base64!' }))).toBe('invalid-base64');
  });
});

it.each([
  ['', 'nothing'],
  ['{"end_device_ids":', 'invalid-json'],
  ['[]', 'not-an-object'],
  ['{"temperature": 5}', 'parse-error'],
  [Buffer.from([0xff, 0xfe]), 'invalid-utf8'],
  ['{"uplink_message": {"decoded_payload": {"__proto__": {"polluted": 1}, "constructor": 2}}}', undefined],
  ['{"uplink_message": {"decoded_payload": [1], "rx_metadata": {"0": 1}, "normalized_payload": [1, null], "frm_payload": 5}}', 'nothing'],
])('takes %j', (payload, outcome) => {
  const decoded = decode(decoderOf(), UP, payload);
  if (outcome !== undefined) expect(decoded).toBe(outcome);
  expect(Object.prototype).not.toHaveProperty('polluted');
});

it('bounds what many gateways say', () => {
  const rx_metadata = Array.from({ length: 500 }, () => gateway(-100, 1));
  expect(Object.keys(valuesOf(decoderOf(), UP, uplink({ rx_metadata })))).toHaveLength(20);
});
