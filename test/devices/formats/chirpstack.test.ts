/** Events of ChirpStack v4 and v3. */
import { expect, it } from 'vitest';
import { decode, decoderOf, valuesOf } from './seen.ts';

const TOPIC = 'application/6d7a/device/24e124136b501234/event';
const info = {
  tenantName: 'T',
  applicationName: 'A',
  deviceProfileName: 'P',
  deviceName: 'Cellar',
  devEui: '24e124136b501234',
  tags: { floor: '0' },
};
const up = (rest: object): object => ({
  deduplicationId: '3ac7e3c4',
  time: '2026-04-03T07:59:58.775023242+00:00',
  deviceInfo: info,
  devAddr: '00189440',
  dr: 1,
  fCnt: 7,
  fPort: 85,
  ...rest,
});

it('reads an uplink of v4', () => {
  const message = up({
    data: 'AXVk',
    object: { battery: 100, history: [{ temperature: 21 }], state: 'idle' },
    rxInfo: [{ gatewayId: '0016c001f153a14c', uplinkId: 4217106255, rssi: -36, snr: 10.5, channel: 2, location: { latitude: 1 } }],
    txInfo: { frequency: 867100000 },
  });
  const decoder = decoderOf();
  expect(decode(decoder, `${TOPIC}/up`, message)).toEqual({
    readings: [
      {
        device: '24e124136b501234',
        labels: { application: '6d7a', name: 'Cellar' },
        at: '2026-04-03T07:59:58.775Z',
        values: { battery: 100, 'history.0.temperature': 21, state: 'idle', 'rxInfo.0.rssi': -36, 'rxInfo.0.snr': 10.5 },
      },
    ],
    refused: [],
  });
  expect(decoder.learned.description('24e124136b501234').units).toEqual({
    'history.0.temperature': '°C',
    'rxInfo.0.rssi': 'dBm',
    'rxInfo.0.snr': 'dB',
  });
});

it('reads an uplink of v3, with its object as text', () => {
  const message = {
    applicationID: '123',
    applicationName: 'a',
    deviceName: 'Cellar',
    devEUI: 'JOEkE2tQEjQ=',
    rxInfo: [{ gatewayID: 'AwMDAwMDAwM=', rssi: -48, loRaSNR: 9, channel: 5 }],
    txInfo: { frequency: 868300000 },
    adr: true,
    fCnt: 10,
    fPort: 5,
    data: 'AQ==',
    objectJSON: '{"temperatureSensor":{"1":25},"humiditySensor":{"1":32}}',
    publishedAt: '2026-04-03T07:59:00Z',
  };
  const seen = {
    values: { 'temperatureSensor.1': 25, 'humiditySensor.1': 32, 'rxInfo.0.rssi': -48, 'rxInfo.0.loRaSNR': 9 },
    at: '2026-04-03T07:59:00.000Z',
  };
  expect(decode(decoderOf(), `${TOPIC}/up`, message)).toMatchObject({ readings: [{ ...seen, device: '24e124136b501234' }] });
  expect(decode(decoderOf(), 'application/123/device/24e124136b501234/rx', message)).toMatchObject({ readings: [seen] });
  // Where the topic names no device, the message does.
  const elsewhere = decode(decoderOf('topic: lora/all\ndecode: chirpstack'), 'lora/all', message);
  expect(elsewhere).toMatchObject({ readings: [{ device: '24e124136b501234', labels: { name: 'Cellar' } }] });
  expect(decode(decoderOf(), `${TOPIC}/up`, { ...message, objectJSON: '{"a":' })).toBe('invalid-json');
});

it.each([
  [
    { margin: 10, batteryLevel: 88.3 },
    { margin: 10, batteryLevel: 88.3 },
  ],
  [
    { margin: -3, externalPowerSource: true, batteryLevel: 0 },
    { margin: -3, externalPowerSource: true },
  ],
  [
    { margin: 7, externalPowerSource: false, batteryLevelUnavailable: true, batteryLevel: 0 },
    { margin: 7, externalPowerSource: false },
  ],
])('reads the status %j', (status, values) => {
  expect(valuesOf(decoderOf(), `${TOPIC}/status`, { time: '2026-04-03T07:59:00Z', deviceInfo: info, ...status })).toEqual(values);
});

it('reads a location', () => {
  const message = {
    time: '2026-04-03T07:59:00Z',
    deviceInfo: info,
    location: { latitude: 37.3, longitude: -8.8, altitude: 2, source: 'GEO_RESOLVER_TDOA' },
  };
  const values = { 'location.latitude': 37.3, 'location.longitude': -8.8, 'location.altitude': 2 };
  expect(valuesOf(decoderOf(), `${TOPIC}/location`, message)).toEqual(values);
});

it.each([
  ['join', { deviceInfo: info, devAddr: '00189440' }],
  ['ack', { deviceInfo: info, acknowledged: true, fCntDown: 3 }],
  ['txack', { deviceInfo: info, downlinkId: 1, gatewayId: '00', txInfo: { power: 14 } }],
  ['log', { deviceInfo: info, level: 'ERROR', code: 'UPLINK_CODEC', description: 'x' }],
  ['integration', { deviceInfo: info, integrationName: 'loracloud', object: { temp: { value: 25 } } }],
  ['error', { deviceName: 'x', type: 'OTAA', error: 'x' }],
  ['other', { deviceInfo: info }],
])('%s says nothing of a sensor', (event, message) => {
  expect(decode(decoderOf(), `${TOPIC}/${event}`, message)).toBe('nothing');
});

it('asks the codec of the profile instead of the one there', () => {
  const decoder = decoderOf('topic: application/{application}/device/{device}/event/#\ndecode: {format: chirpstack, codec: cayenne-lpp}');
  expect(valuesOf(decoder, `${TOPIC}/up`, up({ data: 'A2cBEA==', object: { other: 1 } }))).toEqual({ temperature_3: 27.2 });
  expect(decode(decoder, `${TOPIC}/up`, up({ data: 'AwU=' }))).toBe('parse-error');
});

it.each([
  ['{"time":', 'invalid-json'],
  ['"x"', 'not-an-object'],
  ['{"a": 1}', 'parse-error'],
  ['{"data": "AA==", "rxInfo": [null, 1, {"rssi": "x"}], "object": 5}', 'nothing'],
])('takes %j', (payload, outcome) => expect(decode(decoderOf(), `${TOPIC}/up`, payload)).toBe(outcome));
