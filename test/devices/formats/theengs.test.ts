import { describe, expect, it } from 'vitest';
import { theengs } from '../../../src/devices/decoders/theengs.ts';
import { decoderWith, speak, spoken } from './spoken.ts';

const BLUETOOTH = 'home/gw1/BTtoMQTT/A4C138000001';
const ADDRESS = 'A4:C1:38:00:00:01';

describe('units', () => {
  it('are told of each set of names that a device sends in turn', () => {
    const decoder = decoderWith(null);
    for (const values of [{ tempc: 4.1 }, { batt: 88 }, { tempc: 4.2 }, { tempc: 4.1, hum: 5 }]) speak(decoder, BLUETOOTH, values);
    expect(decoder.learned.description(ADDRESS).units).toEqual({ tempc: '°C', batt: '%', hum: '%' });
  });
});

describe('theengs: Bluetooth', () => {
  it.each([
    [
      'a device is its mac; who it is and how it is scanned is no reading',
      BLUETOOTH,
      {
        id: ADDRESS,
        mac: 'A4:C1:38:00:00:02',
        mac_type: 0,
        name: 'ATC_1',
        brand: 'Xiaomi',
        model: 'TH',
        model_id: 'L',
        type: 'THB',
        acts: true,
        tempc: 4.1,
      },
      { 'A4:C1:38:00:00:02 tempc': 4.1 },
    ],
    ['else its id', BLUETOOTH, { id: 'A4:C1:38:00:00:03', batt: 88 }, { 'A4:C1:38:00:00:03 batt': 88 }],
    ['else the address in the topic', BLUETOOTH, { hum: 40 }, { [`${ADDRESS} hum`]: 40 }],
    ['in lower case, too', 'home/gw1/BTtoMQTT/a4c138000001', { hum: 40 }, { [`${ADDRESS} hum`]: 40 }],
    ['else the gateway', 'home/gw1/BTtoMQTT', { rssi: -70 }, { 'gw1 rssi': -70 }],
    ['digits in the topic are an address', 'home/gw1/BTtoMQTT/112233445566', { hum: 40 }, { '11:22:33:44:55:66 hum': 40 }],
    ['numbers as text', BLUETOOTH, { tempc: '21.50' }, { [`${ADDRESS} tempc`]: 21.5 }],
    [
      '`cont` of a contact sensor is a reading',
      BLUETOOTH,
      { cont: true, open: false },
      { [`${ADDRESS} cont`]: true, [`${ADDRESS} open`]: false },
    ],
    ['what was not decoded', BLUETOOTH, { manufacturerdata: '590012', servicedata: '99', rssi: -61 }, { [`${ADDRESS} rssi`]: -61 }],
    ['null', BLUETOOTH, { tempc: null, hum: 5 }, { [`${ADDRESS} hum`]: 5 }],
    ['a distance', 'home/presence/gw1', { id: ADDRESS, distance: 2.4 }, { [`${ADDRESS} distance`]: 2.4 }],
  ])('%s', (_what, topic, payload, values) => {
    expect(spoken(topic, payload).values).toEqual(values);
  });

  it.each([
    ['for Theengs to decode', 'home/gw1/BTtoMQTT/undecoded', { id: ADDRESS, rssi: -50 }, 'ignored'],
    ['a cut message', BLUETOOTH, '{"id":"A4', 'invalid-json'],
    ['a list', BLUETOOTH, [], 'not-an-object'],
    ['a command', 'home/gw1/commands/MQTTtoBT/config', { interval: 1 }, null],
    ['an empty payload', BLUETOOTH, '', 'ignored'],
  ])('%s', (_what, topic, payload, outcome) => {
    expect(spoken(topic, payload).outcome).toBe(outcome);
  });

  it('the gateway’s clock', () => {
    expect(spoken(BLUETOOTH, { tempc: 1, UTCtime: '2026-04-03T07:59:00Z', unixtime: 1775203140 })).toMatchObject({
      times: ['2026-04-03T07:59:00.000Z'],
      values: { [`${ADDRESS} tempc`]: 1 },
    });
  });

  it('units that only the message knows', () => {
    const decoder = decoderWith(null);
    speak(decoder, BLUETOOTH, { type: 'SCALE', unit: 'lb', weight: 150.2 });
    speak(decoder, 'home/gw1/BTtoMQTT/A4C138000002', { type: 'TIRE', pres: 2.3, tempc: 20 });
    speak(decoder, 'home/gw1/BTtoMQTT/A4C138000003', { type: 'THBX', pres: 1013.2 });
    expect(decoder.learned.description(ADDRESS).units).toEqual({ weight: 'lb' });
    expect(decoder.learned.description('A4:C1:38:00:00:02').units).toEqual({ pres: 'bar', tempc: '°C' });
    expect(decoder.learned.description('A4:C1:38:00:00:03').units).toEqual({ pres: 'hPa' });
  });
});

describe('theengs: other receivers and the gateway', () => {
  it.each([
    [
      'LoRa with an id',
      'home/gw1/LORAtoMQTT/A4C138000001',
      { id: ADDRESS, rssi: -26, snr: 9, packetSize: 9, tempc: '55.4' },
      { [`${ADDRESS} rssi`]: -26, [`${ADDRESS} snr`]: 9, [`${ADDRESS} tempc`]: 55.4 },
    ],
    ['LoRa without: bytes are no number', 'home/gw1/LORAtoMQTT', { rssi: -121, hex: '123456' }, { 'gw1 rssi': -121 }],
    ['a remote control', 'home/gw1/433toMQTT', { value: 1315156, protocol: 1, length: 24, delay: 317 }, { 'gw1 value': 1315156 }],
    [
      'rtl_433 in the gateway',
      'home/gw1/RTL_433toMQTT/Acurite-Tower/A/1234',
      {
        model: 'Acurite-Tower',
        id: 1234,
        channel: 'A',
        battery_ok: 1,
        temperature_C: 3.1,
        mic: 'CHECKSUM',
        protocol: 'x',
        rssi: -80,
        duration: 6,
      },
      { 'Acurite-Tower/1234 battery_ok': 1, 'Acurite-Tower/1234 temperature_C': 3.1, 'Acurite-Tower/1234 rssi': -80 },
    ],
    ['its own sensor', 'home/gw1/CLIMAtoMQTT/htu', { tempc: 25.3, hum: 56.5 }, { 'gw1 htu.tempc': 25.3, 'gw1 htu.hum': 56.5 }],
    [
      'one with an address',
      'home/gw1/CLIMAtoMQTT/ds1820/0x28616411907650bc',
      { temp: 27.8, unit: 'C', type: 'DS18B20', res: '12bit', addr: '0x28616411907650bc' },
      { '0x28616411907650bc temp': 27.8 },
    ],
    [
      'itself, without its settings',
      'home/gw1/SYStoMQTT',
      {
        uptime: 3480,
        version: 'v1',
        freemem: 45352,
        rssi: -56,
        SSID: 'n',
        ip: '192.0.2.7',
        mac: ADDRESS,
        mqttpass: 'secret',
        modules: ['BT'],
      },
      { 'gw1 uptime': 3480, 'gw1 freemem': 45352, 'gw1 rssi': -56 },
    ],
    ['online', 'home/gw1/LWT', 'online', { 'gw1 availability': true }],
    ['offline', 'home/gw1/LWT', 'Offline', { 'gw1 availability': false }],
  ])('%s', (_what, topic, payload, values) => {
    expect(spoken(topic, payload).values).toEqual(values);
  });

  it('a will of another word', () => {
    expect(spoken('home/gw1/LWT', 'gone').outcome).toBe('parse-error');
  });

  it('under topics of one’s own', () => {
    const profile = 'topic: ["cellar/omg/BTtoMQTT/#", "cellar/omg/LWT"]\ndecode: theengs';
    expect(spoken('cellar/omg/BTtoMQTT/A4C138000001', { hum: 4 }, profile).values).toEqual({ [`${ADDRESS} hum`]: 4 });
    expect(spoken('cellar/omg/LWT', 'online', profile).values).toEqual({ 'omg availability': true });
    expect(spoken('ble/freezer', { tempc: 4 }, 'topic: "ble/{device}"\ndecode: theengs').values).toEqual({ 'freezer tempc': 4 });
  });
});

it.each([
  ['tempc', '°C'],
  ['tempc2', '°C'],
  ['tempf4', '°F'],
  ['tempc2_dp', '°C'],
  ['htu.hum', '%'],
  ['batt', '%'],
  ['volt', 'V'],
  ['moi', '%'],
  ['fer', 'µS/cm'],
  ['lux', 'lx'],
  ['rssi', 'dBm'],
  ['snr', 'dB'],
  ['co2', 'ppm'],
  ['accx', 'm/s²'],
  ['lvl_cm', 'cm'],
  ['temperature_C', '°C'],
  ['open', null],
])('the unit of %s is %s', (metric, unit) => {
  expect(theengs.unitOf?.(metric)).toBe(unit);
});
