import { describe, expect, it } from 'vitest';
import { decoderWith, speak, spoken } from './spoken.ts';

describe('tasmota: what is read', () => {
  it.each([
    [
      'a sensor',
      'tele/d/SENSOR',
      { Time: '2026-04-03T09:00:00', SHT3X: { Temperature: 21.4, Humidity: 48 }, TempUnit: 'C' },
      { 'd SHT3X.Temperature': 21.4, 'd SHT3X.Humidity': 48 },
    ],
    ['the device first', 'd/tele/SENSOR', { ANALOG: { A0: 512 } }, { 'd ANALOG.A0': 512 }],
    ['a device with a slash', 'tele/attic/d/SENSOR', { COUNTER: { C1: 3 } }, { 'attic/d COUNTER.C1': 3 }],
    [
      'phases',
      'tele/d/SENSOR',
      { ENERGY: { TotalStartTime: '2025-01-01T00:00:00', Power: [10, 20], Factor: [0.9, 1] } },
      { 'd ENERGY.Power.0': 10, 'd ENERGY.Power.1': 20, 'd ENERGY.Factor.0': 0.9, 'd ENERGY.Factor.1': 1 },
    ],
    [
      'ids and addresses are none',
      'tele/d/SENSOR',
      { 'DS18B20-1': { Id: '123456789012', Temperature: 4 }, 'DS18B20-2': { Address: '28FF', Type: 'DS18B20', Temperature: 5 } },
      { 'd DS18B20-1.Temperature': 4, 'd DS18B20-2.Temperature': 5 },
    ],
    [
      'an Id that is a number was read',
      'tele/d/SENSOR',
      { FPrint: { Id: 3, Confidence: 80 } },
      { 'd FPrint.Id': 3, 'd FPrint.Confidence': 80 },
    ],
    ['switches', 'tele/d/SENSOR', { Switch1: 'ON', Switch2: 'OFF' }, { 'd Switch1': true, 'd Switch2': false }],
    ['text that is a state', 'tele/d/SENSOR', { OPENTHERM: { conn: 'READY' } }, { 'd OPENTHERM.conn': 'READY' }],
    ['null is no reading', 'tele/d/SENSOR', { SHT3X: { Temperature: null, Humidity: 4 } }, { 'd SHT3X.Humidity': 4 }],
    ['nan is no reading', 'tele/d/SENSOR', '{"DHT11":{"Temperature":nan,"Humidity":5},"TempUnit":"C"}', { 'd DHT11.Humidity': 5 }],
    [
      'a Zigbee device behind its bridge',
      'tele/gw/5ADF/SENSOR',
      { ZbReceived: { '0x5ADF': { Device: '0x5ADF', Name: 'Window', Contact: 1, LinkQuality: 90, BatteryLastSeenEpoch: 1700000000 } } },
      { 'gw/5ADF ZbReceived.0x5ADF.Contact': 1, 'gw/5ADF ZbReceived.0x5ADF.LinkQuality': 90 },
    ],
    [
      'the state',
      'tele/d/STATE',
      {
        Time: '2026-04-03T09:00:00',
        Uptime: '0T01:00:05',
        UptimeSec: 3605,
        Heap: 25,
        SleepMode: 'Dynamic',
        POWER1: 'ON',
        Dimmer: 40,
        Color: '336699',
        Wifi: { AP: 1, SSId: 'x', BSSId: 'AA:BB', Mode: '11n', RSSI: 80, Signal: -60, Downtime: '0T00:00:04' },
      },
      { 'd UptimeSec': 3605, 'd Heap': 25, 'd POWER1': true, 'd Dimmer': 40, 'd Wifi.AP': 1, 'd Wifi.RSSI': 80, 'd Wifi.Signal': -60 },
    ],
    ['the uptime as text', 'tele/d/UPTIME', { Time: '2026-04-03T09:00:00', Uptime: '2T01:00:05' }, { 'd UptimeSec': 176_405 }],
    ['online', 'tele/d/LWT', 'Online', { 'd availability': true }],
    ['offline', 'd/tele/LWT', 'Offline', { 'd availability': false }],
    [
      'a restart',
      'tele/d/INFO3',
      { Info3: { RestartReason: 'Power On', BootCount: 17 } },
      { 'd Info3.RestartReason': 'Power On', 'd Info3.BootCount': 17 },
    ],
    ['power', 'stat/d/POWER', 'ON', { 'd POWER': true }],
    ['power of one of several', 'd/stat/POWER2', 'OFF', { 'd POWER2': false }],
    ['power as an answer', 'stat/d/POWER', { POWER: 'ON' }, { 'd POWER': true }],
    [
      'a state in a result',
      'stat/d/RESULT',
      { POWER: 'OFF', Dimmer: 0, TelePeriod: 300, Module: { 1: 'Sonoff' } },
      { 'd POWER': false, 'd Dimmer': 0 },
    ],
    ['a press in a result', 'stat/d/RESULT', { Button1: { Action: 'DOUBLE' } }, { 'd Button1.Action': 'DOUBLE' }],
    ['a switch on its own topic', 'stat/d/SWITCH1', { STATE: 'ON' }, { 'd SWITCH1.STATE': true }],
    [
      'a radio code stays text',
      'tele/d/RESULT',
      { Time: '2026-04-03T09:00:00', RfReceived: { Sync: 1, Data: '123456', RfKey: 'None' } },
      { 'd RfReceived.Sync': 1, 'd RfReceived.Data': '0x123456' },
    ],
    [
      'sensors asked for',
      'stat/d/STATUS8',
      { StatusSNS: { Time: '2026-04-03T09:00:00', BMP280: { Pressure: 1001 }, PressureUnit: 'hPa' } },
      { 'd StatusSNS.BMP280.Pressure': 1001 },
    ],
  ])('%s', (_what, topic, payload, values) => {
    expect(spoken(topic, payload)).toMatchObject({ outcome: 'readings', values, refused: [] });
    expect(Object.keys(spoken(topic, payload).values)).toEqual(Object.keys(values));
  });

  it.each([
    ['a module', 'tele/d/INFO1', { Info1: { Module: 'Generic', Version: '14.1.0(tasmota)' } }],
    ['its network', 'tele/d/INFO2', { Info2: { WebServerMode: 'Admin', IPAddress: '192.0.2.1' } }],
    ['a setting', 'stat/d/RESULT', { TelePeriod: 10 }],
    ['an unknown command', 'stat/d/RESULT', { Command: 'Unknown' }],
    ['its parameters', 'stat/d/STATUS', { Status: { Module: 1, DeviceName: 'x', Power: 0 } }],
    ['its firmware', 'stat/d/STATUS2', { StatusFWR: { Version: '14', Boot: 31 } }],
    ['only the time', 'tele/d/SENSOR', { Time: '2026-04-03T09:00:00' }],
  ])('says nothing of a sensor: %s', (_what, topic, payload) => {
    expect(spoken(topic, payload).outcome).toBe('ignored');
  });

  it.each([['tele/d/temperature'], ['tele/d'], ['d/stat/voltage'], ['cmnd/d/POWER'], ['tele/d/HASS_STATE']])(
    'other topics are not its own: %s',
    (topic) => {
      expect(spoken(topic, '1').outcome).toBeNull();
    },
  );

  it.each([
    ['cut off', 'tele/d/SENSOR', '{"Time":"2026-04-03T09:00:00","DS18x20":{"DS1":{"Type":"DS1', 'invalid-json'],
    ['a brace that is missing', 'tele/d/SENSOR', '{"MCP230XX": "D0":0,"D1":0}}', 'invalid-json'],
    ['wrong brackets', 'stat/d/RESULT', '["VoltageHigh":"0"}', 'invalid-json'],
    ['a list', 'tele/d/SENSOR', '[1]', 'not-an-object'],
    ['a word', 'tele/d/STATE', 'offline', 'invalid-json'],
    ['no UTF-8', 'stat/d/POWER', Buffer.from([0xff, 0xfe]), 'invalid-utf8'],
    ['an unknown last will', 'tele/d/LWT', 'gone', 'wrong-type'],
    ['too deep', 'tele/d/SENSOR', `${'{"a":'.repeat(40)}1${'}'.repeat(40)}`, 'too-deep'],
  ])('broken: %s', (_what, topic, payload, reason) => {
    expect(spoken(topic, payload).outcome).toBe(reason);
  });

  it('under a profile with topics of its own', () => {
    const profile = 'topic: "home/{room}/{device}/#"\ndecode: tasmota';
    expect(spoken('home/attic/d/tele/SENSOR', { Switch1: 'ON' }, profile).values).toEqual({ 'd Switch1': true });
    expect(spoken('home/attic/d/cmnd/POWER', 'ON', profile).outcome).toBe('ignored');
  });

  it('a key __proto__ is none of ours', () => {
    expect(spoken('tele/d/SENSOR', '{"__proto__":{"Switch1":"ON"},"Switch2":"ON"}').values).toEqual({ 'd Switch2': true });
    expect(Object.prototype).not.toHaveProperty('Switch1');
  });
});

describe('tasmota: time', () => {
  const payload = { Time: '2026-04-03T09:59:00', ANALOG: { A0: 1 } };
  it.each([
    ['local time without a zone does not count', payload, null, []],
    [
      'it does under a profile that has one',
      payload,
      'topic: "tele/{device}/#"\ndecode: tasmota\ntimezone: Europe/Berlin',
      ['2026-04-03T07:59:00.000Z'],
    ],
    ['an offset counts', { ...payload, Time: '2026-04-03T09:59:00+02:00' }, null, ['2026-04-03T07:59:00.000Z']],
    ['Epoch counts more', { ...payload, Epoch: 1775203100 }, null, ['2026-04-03T07:58:20.000Z']],
    ['in an answer, too', { StatusSNS: { Epoch: 1775203100, ANALOG: { A0: 1 } } }, null, ['2026-04-03T07:58:20.000Z']],
    [
      'a clock that is not set',
      { ...payload, Time: '1970-01-01T00:09:57' },
      'topic: "tele/{device}/#"\ndecode: tasmota\ntimezone: Europe/Berlin',
      [],
    ],
  ])('%s', (_what, message, profile, times) => {
    const topic = 'StatusSNS' in message ? 'stat/d/STATUS10' : 'tele/d/SENSOR';
    expect(spoken(topic, message, profile).times).toEqual(times);
  });
});

describe('tasmota: units', () => {
  it.each([
    [
      'as the message says',
      { BME280: { Temperature: 70, DewPoint: 50, Pressure: 29.9, SeaPressure: 30 }, TempUnit: 'F', PressureUnit: 'inHg' },
      { 'BME280.Temperature': '°F', 'BME280.DewPoint': '°F', 'BME280.Pressure': 'inHg', 'BME280.SeaPressure': 'inHg' },
    ],
    [
      'wind',
      { TX23: { Speed: { Act: 3, Avg: 2 }, Dir: { Card: 'W', Deg: 270 } }, SpeedUnit: 'km/h' },
      { 'TX23.Speed.Act': 'km/h', 'TX23.Speed.Avg': 'km/h', 'TX23.Dir.Deg': '°' },
    ],
    [
      'energy',
      { ENERGY: { Total: 1, Period: 3, Power: [1, 2], ApparentPower: 1, Factor: 1, ExportActive: 2 }, Total: 5 },
      {
        'ENERGY.Total': 'kWh',
        'ENERGY.Period': 'Wh',
        'ENERGY.Power.0': 'W',
        'ENERGY.Power.1': 'W',
        'ENERGY.ApparentPower': 'VA',
        'ENERGY.ExportActive': 'kWh',
      },
    ],
    [
      'particles',
      { PMS5003: { 'PM2.5': 4, PM10: 5, 'PB0.3': 300 } },
      { 'PMS5003.PM2.5': 'µg/m³', 'PMS5003.PM10': 'µg/m³', 'PMS5003.PB0.3': 'ppd' },
    ],
    ['numbered', { ANALOG: { Temperature1: 3 } }, { 'ANALOG.Temperature1': '°C' }],
    ['distances', { SR04: { Distance: 30 }, VL53L0X: { Distance: 300 } }, { 'SR04.Distance': 'cm', 'VL53L0X.Distance': 'mm' }],
    ['radio', { Wifi: { RSSI: 80, Signal: -60 }, LwReceived: { RSSI: -50 } }, { 'Wifi.RSSI': '%', 'Wifi.Signal': 'dBm' }],
  ])('%s', (_what, payload, units) => {
    const decoder = decoderWith(null);
    speak(decoder, 'tele/d/SENSOR', payload);
    expect(decoder.learned.description('d').units).toEqual(units);
  });
});
