import { describe, expect, it } from 'vitest';
import { decoderWith, speak, spoken } from './spoken.ts';

const OWN = 'topic: "{device}/#"\ndecode: esphome';

describe('esphome', () => {
  it.each([
    ['a sensor', 'd/sensor/outdoor_temperature/state', '-4.30', { 'd outdoor_temperature': -4.3 }],
    ['a binary sensor', 'd/binary_sensor/door/state', 'ON', { 'd door': true }],
    ['a text sensor', 'd/text_sensor/version/state', 'ON', { 'd version': 'ON' }],
    ['a text sensor’s digits', 'd/text_sensor/code/state', '0815', { 'd code': '0815' }],
    ['a switch', 'd/switch/pump/state', 'OFF', { 'd switch.pump': false }],
    [
      'a light',
      'd/light/lamp/state',
      { state: 'ON', brightness: 128, color: { r: 255 } },
      { 'd light.lamp.state': true, 'd light.lamp.brightness': 128, 'd light.lamp.color.r': 255 },
    ],
    ['a climate’s mode', 'd/climate/hall/mode/state', 'heat', { 'd climate.hall.mode': 'heat' }],
    ['a climate’s temperature', 'd/climate/hall/current_temperature/state', '20.5', { 'd climate.hall.current_temperature': 20.5 }],
    ['a cover', 'd/cover/blind/position/state', '40', { 'd cover.blind.position': 40 }],
    ['a number', 'd/number/limit/state', '12', { 'd number.limit': 12 }],
    ['an event', 'd/event/bell/state', { event_type: 'press' }, { 'd event.bell.event_type': 'press' }],
    ['below its common prefix', 'esphome/d/sensor/co2/state', '415', { 'd co2': 415 }],
    ['its status there', 'esphome/d/status', 'online', { 'd availability': true }],
  ])('%s', (_what, topic, payload, values) => {
    expect(spoken(topic, payload)).toMatchObject({ outcome: 'readings', values, refused: [] });
  });

  it.each([
    ['its status', 'd/status', 'offline', { 'd availability': false }],
    ['a topic that a component was given', 'd/temperature', '12.79', { 'd temperature': 12.79 }],
    ['one with several levels', 'd/outside/temperature', '3', { 'd outside.temperature': 3 }],
  ])('under a profile: %s', (_what, topic, payload, values) => expect(spoken(topic, payload, OWN).values).toEqual(values));

  it.each([
    ['a command', 'd/switch/pump/command', 'ON', OWN],
    ['its log', 'd/debug', '[I][app:100]: ESPHome', OWN],
    ['a sensor that has no value', 'd/sensor/co2/state', 'nan', null],
    ['nothing', 'd/sensor/co2/state', '', null],
  ])('says nothing of a sensor: %s', (_what, topic, payload, profile) => expect(spoken(topic, payload, profile).outcome).toBe('ignored'));

  it.each([['esphome/discover/d'], ['d/status'], ['d/debug'], ['d/switch/pump/command'], ['d/sensor/co2'], ['cmnd/sensor/a/state']])(
    '%s is nobody’s',
    (topic) => expect(spoken(topic, '{"ip":"192.0.2.1"}').outcome).toBeNull(),
  );

  it('leaves to others what only looks alike', () => {
    expect(spoken('zigbee2mqtt/light/hall/state', 'ON').values).toEqual({ 'light/hall state': true });
    expect(spoken('homeassistant/sensor/x/state', '4').outcome).toBe('ignored');
  });

  it.each([
    ['a light cut off', 'd/light/lamp/state', '{"state":', 'invalid-json'],
    ['no UTF-8', 'd/sensor/a/state', Buffer.from([0xff]), 'invalid-utf8'],
    ['an unknown status', 'esphome/d/status', 'up', 'wrong-type'],
  ])('broken: %s', (_what, topic, payload, reason) => expect(spoken(topic, payload).outcome).toBe(reason));

  it('gains its units from discovery, and keeps its device', () => {
    const decoder = decoderWith(null);
    speak(decoder, 'd/sensor/outdoor/state', '4');
    const config = { name: 'Outdoor Temperature', stat_t: 'd/sensor/outdoor/state', unit_of_meas: '°C', dev: { ids: 'aabbcc', name: 'd' } };
    speak(decoder, 'homeassistant/sensor/d/outdoor/config', config);
    expect(speak(decoder, 'd/sensor/outdoor/state', '5').values).toEqual({ 'd outdoor': 5 });
    expect(decoder.learned.description('d').units).toEqual({ outdoor: '°C' });
  });
});
