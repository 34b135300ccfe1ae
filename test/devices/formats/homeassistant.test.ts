import { describe, expect, it } from 'vitest';
import type { Decoder } from '../../../src/devices/decode.ts';
import { decoderWith, type Spoken, speak, spoken } from './spoken.ts';

const device = { identifiers: ['dev1'], name: 'Cellar' };
const TOPIC = 'homeassistant/sensor/node/obj/config';
const config = {
  name: 'Temperature',
  state_topic: 'cellar/climate',
  value_template: '{{ value_json.temp }}',
  unit_of_measurement: '°C',
  device,
};

function taught(...messages: readonly (readonly [topic: string, payload: unknown])[]): Decoder {
  const decoder = decoderWith(null);
  for (const [topic, payload] of messages) expect(speak(decoder, topic, payload).outcome).toBe('ignored');
  return decoder;
}

/** What a topic says after one discovery message. */
const after = (about: unknown, topic: string, payload: unknown, at = TOPIC): Spoken => speak(taught([at, about]), topic, payload);

describe('discovery: a topic', () => {
  it('decodes after it and not before', () => {
    expect(spoken('cellar/climate', { temp: 9 }).outcome).toBeNull();
    const decoder = taught([TOPIC, config]);
    expect(speak(decoder, 'cellar/climate', { temp: 9, other: 1 }).values).toEqual({ 'dev1 temp': 9 });
    expect(decoder.learned.description('dev1')).toEqual({ name: 'Cellar', units: { temp: '°C' } });
  });

  it('also where it has been asked for before', () => {
    const decoder = decoderWith(null);
    expect(speak(decoder, 'cellar/climate', { temp: 9 }).outcome).toBeNull();
    speak(decoder, TOPIC, config);
    expect(speak(decoder, 'cellar/climate', { temp: 9 }).outcome).toBe('readings');
  });

  it('is nobody’s again once all entities there are taken back', () => {
    const decoder = taught(
      [TOPIC, config],
      ['homeassistant/sensor/other/config', { ...config, value_template: '{{ value_json.hum }}' }],
      [TOPIC, ''],
    );
    expect(speak(decoder, 'cellar/climate', { temp: 9, hum: 60 }).values).toEqual({ 'dev1 hum': 60 });
    speak(decoder, 'homeassistant/sensor/other/config', '');
    expect(speak(decoder, 'cellar/climate', { temp: 9, hum: 60 }).outcome).toBeNull();
  });

  it('moves with a new config', () => {
    const decoder = taught([TOPIC, config], [TOPIC, { ...config, state_topic: 'cellar/new' }]);
    expect(speak(decoder, 'cellar/climate', { temp: 9 }).outcome).toBeNull();
    expect(speak(decoder, 'cellar/new', { temp: 9 }).values).toEqual({ 'dev1 temp': 9 });
  });

  it('of a native format keeps it and gains the units only', () => {
    const decoder = decoderWith(null);
    speak(decoder, 'tele/plug/SENSOR', { X: { Flow: 3 } });
    speak(decoder, TOPIC, {
      ...config,
      state_topic: 'tele/plug/SENSOR',
      value_template: "{{ value_json['X']['Flow'] }}",
      unit_of_measurement: 'l/min',
    });
    expect(speak(decoder, 'tele/plug/SENSOR', { X: { Flow: 4, Other: 1 } }).values).toEqual({ 'plug X.Flow': 4, 'plug X.Other': 1 });
    expect(decoder.learned.description('plug').units).toEqual({ 'X.Flow': 'l/min' });
  });

  it('of a native format gains no unit of what a template makes of it', () => {
    const decoder = taught([
      TOPIC,
      { ...config, state_topic: 'zigbee2mqtt/x', value_template: '{{ value_json.force / 1000 }}', unit_of_measurement: 'kN' },
    ]);
    speak(decoder, 'zigbee2mqtt/x', { force: 4000 });
    expect(decoder.learned.description('x').units).toEqual({});
  });

  it('with a profile keeps it', () => {
    const decoder = decoderWith('topic: "cellar/{metric}/{device}"\ndecode: scalar');
    speak(decoder, TOPIC, { ...config, state_topic: 'cellar/a/b' });
    expect(speak(decoder, 'cellar/a/b', '4').values).toEqual({ 'b a': 4 });
  });

  it('tells of several devices at once', () => {
    const of = (id: string) => ({ ...config, device: { ids: id }, value_template: `{{ value_json.${id}.t }}` });
    const decoder = taught(['homeassistant/sensor/a/config', of('a')], ['homeassistant/sensor/b/config', of('b')]);
    expect(speak(decoder, 'cellar/climate', { a: { t: 1 }, b: { t: 2 } }).values).toEqual({ 'a a.t': 1, 'b b.t': 2 });
  });
});

describe('discovery: who and what', () => {
  const state = { state_topic: 'x/y', name: 'Level' };
  it.each([
    ['identifiers', { ...state, device: { identifiers: ['i1', 'i2'] } }, TOPIC, { 'i1 Level': 5 }],
    ['one identifier', { ...state, dev: { ids: 'i3' } }, TOPIC, { 'i3 Level': 5 }],
    ['a connection', { ...state, dev: { cns: [['mac', 'aa:bb']] } }, TOPIC, { 'aa:bb Level': 5 }],
    ['the node', state, TOPIC, { 'node Level': 5 }],
    ['the object', state, 'homeassistant/sensor/obj/config', { 'obj Level': 5 }],
    ['no name: the object', { state_topic: 'x/y' }, 'homeassistant/sensor/node/obj/config', { 'node obj': 5 }],
    ['a name of null: the object', { state_topic: 'x/y', name: null }, 'homeassistant/sensor/node/obj/config', { 'node obj': 5 }],
  ])('%s', (_what, about, at, values) => expect(after(about, 'x/y', '5', at).values).toEqual(values));

  it('topics that all end in value have their names', () => {
    const of = (name: string) => ({ name, state_topic: `x/${name}`, value_template: '{{ value_json.value }}', device });
    const decoder = taught(['homeassistant/sensor/a/config', of('a')], ['homeassistant/sensor/b/config', of('b')]);
    expect(speak(decoder, 'x/a', { value: 1 }).values).toEqual({ 'dev1 a': 1 });
    expect(speak(decoder, 'x/b', { value: 2 }).values).toEqual({ 'dev1 b': 2 });
  });

  it.each([
    ['before', { '~': 'base', stat_t: '~/s' }],
    ['after', { '~': 'base/s', stat_t: '~' }],
    ['at the end', { '~': 'base/s', state_topic: 'x/~' }],
  ])('~ %s', (_what, about) =>
    expect(after({ ...about, name: 'n' }, 'state_topic' in about ? 'x/base/s' : 'base/s', '1').values).toEqual({ 'node n': 1 }),
  );

  it('another prefix under a profile', () => {
    const decoder = decoderWith('topic: "my/ha/#"\ndecode: homeassistant');
    speak(decoder, 'my/ha/binary_sensor/garden/config', { name: 'garden', state_topic: 'my/ha/binary_sensor/garden/state' });
    expect(speak(decoder, 'my/ha/binary_sensor/garden/state', 'ON').values).toEqual({ 'garden garden': true });
  });
});

describe('discovery: templates', () => {
  const with_ = (value_template: string, payload: unknown, extra: object = {}) => {
    const decoder = taught([TOPIC, { name: 'n', state_topic: 'x/y', value_template, unit_of_measurement: 'V', device, ...extra }]);
    const { values } = speak(decoder, 'x/y', payload);
    return { values, units: decoder.learned.description('dev1').units };
  };

  it.each([
    ['a path', '{{ value_json.a.b }}', { a: { b: 5 } }, 'a.b', 5],
    ['without spaces', '{{value_json.a}}', { a: 5 }, 'a', 5],
    ['keys in brackets', `{{ value_json['a b']["c"] }}`, { 'a b': { c: 5 } }, 'a b.c', 5],
    ['an index', '{{ value_json.a[1] }}', { a: [4, 5] }, 'a.1', 5],
    ['filters', '{{ value_json.a | float(0) | round(1) }}', { a: '5.0' }, 'a', 5],
    ['a default', '{{ value_json.a | default(0) }}', { a: 5 }, 'a', 5],
    ['what OpenMQTTGateway writes', '{{ value_json.tempc | is_defined }}', { tempc: 5 }, 'tempc', 5],
    ['a quotient', '{{ value_json.mv / 1000 }}', { mv: 2875 }, 'mv', 2.875],
    ['a product of text', '{{ (value_json.a | float * 0.1) | round(2) }}', { a: '57' }, 'a', 5.7],
    ['a filter that multiplies', '{{ value_json.a | multiply(10) }}', { a: 5 }, 'a', 50],
    ['Fahrenheit', '{{ (value_json.f - 32) * 5 / 9 }}', { f: 212 }, 'f', 100],
    ['a function', "{{ float(value_json['a'], 0) }}", { a: 5 }, 'a', 5],
    ['where it is defined', '{{ value_json.a if value_json.a is defined else -55 }}', { a: 5 }, 'a', 5],
    ['a statement around it', '{% if value_json.a is defined %}{{ value_json.a }}{% endif %}', { a: 5 }, 'a', 5],
    ['the whole', '{{ value }}', '5', 'n', 5],
    ['the whole, computed', '{{ value | float / 10 }}', '57', 'n', 5.7],
  ])('%s', (_what, template, payload, metric, value) => {
    expect(with_(template, payload)).toEqual({ values: { [`dev1 ${metric}`]: value }, units: { [metric]: 'V' } });
  });

  it.each([
    ['a sum of two', '{{ value_json.a + value_json.b }}', { a: 5, b: 6 }, 'a', 5],
    ['an unknown filter', '{{ value_json.a | log }}', { a: 5 }, 'a', 5],
    ['statements', '{% set x = value_json.a %}{{ x * 2 }}', { a: 5 }, 'a', 5],
    ['one that never ends', `{{ value_json.a ${'('.repeat(500)}`, { a: 5 }, 'a', 5],
    ['a division by nothing', '{{ value_json.a / 0 }}', { a: 5 }, 'a', 5],
  ])('what is not understood is kept as it comes, in no unit: %s', (_what, template, payload, metric, value) => {
    expect(with_(template, payload)).toEqual({ values: { [`dev1 ${metric}`]: value }, units: {} });
  });

  it.each([
    ['a path that is not there', '{{ value_json.gone }}', { a: 5 }],
    ['null', '{{ value_json.a }}', { a: null }],
    ['JSON where a word is meant', '{{ value }}', { a: 5 }],
  ])('no reading: %s', (_what, template, payload) => expect(with_(template, payload).values).toEqual({}));

  it('a choice of words', () => {
    const template = "{{ 'ON' if value_json.x == 1 else 'OFF' }}";
    const about = { name: 'n', state_topic: 'x/y', value_template: template };
    const at = 'homeassistant/binary_sensor/d/config';
    expect(after(about, 'x/y', { x: 1 }, at).values).toEqual({ 'd x': true });
    expect(after(about, 'x/y', { x: 2 }, at).values).toEqual({ 'd x': false });
  });
});

describe('discovery: words', () => {
  const at = (component: string) => `homeassistant/${component}/d/config`;
  it.each([
    ['ON', 'binary_sensor', {}, 'ON', true],
    ['its own words', 'binary_sensor', { pl_on: 'open', pl_off: 'shut' }, 'shut', false],
    ['a state’s words before a command’s', 'switch', { pl_on: '1', pl_off: '0', stat_on: 'true', stat_off: 'false' }, 'true', true],
    ['what is neither', 'switch', {}, 'half', 'half'],
    ['a sensor’s text is text', 'sensor', {}, 'ON', 'ON'],
  ])('%s', (_what, component, words, payload, value) => {
    expect(after({ name: 'n', stat_t: 'x/y', ...words }, 'x/y', payload, at(component)).values).toEqual({ 'd n': value });
  });

  it.each([
    ['payload_on: true', { payload_on: true, payload_off: false }, true],
    ['payload_on: "True"', { payload_on: 'True', payload_off: 'False' }, true],
    ['payload_on: false', { payload_on: false, payload_off: true }, false],
  ])('JSON’s true and %s', (_what, words, value) => {
    const about = { name: 'n', stat_t: 'x/y', val_tpl: '{{ value_json.c }}', ...words };
    expect(after(about, 'x/y', { c: true }, at('binary_sensor')).values).toEqual({ 'd c': value });
  });
});

describe('discovery: availability', () => {
  const of = (more: object) => ({ name: 'n', stat_t: 'x/s', dev: device, ...more });
  it.each([
    ['a topic', { availability_topic: 'x/lwt' }, 'online', true],
    ['its words', { avty_t: 'x/lwt', pl_avail: 'Online', pl_not_avail: 'Offline' }, 'Offline', false],
    ['a list', { availability: [{ topic: 'x/lwt', payload_available: 'up', payload_not_available: 'down' }] }, 'up', true],
    ['abbreviated, with a template', { avty: [{ t: '~/lwt', val_tpl: '{{ value_json.state }}' }], '~': 'x' }, { state: 'offline' }, false],
    ['one that is no list', { avty: { t: 'x/lwt' } }, 'offline', false],
    ['a template beside the state’s', { avty_t: 'x/lwt', val_tpl: '{{ value_json.v }}' }, 'online', true],
  ])('%s', (_what, more, payload, value) => expect(after(of(more), 'x/lwt', payload).values).toEqual({ 'dev1 availability': value }));

  it('of several that all must say so, the device’s own', () => {
    const decoder = taught([TOPIC, of({ availability_mode: 'all', availability: [{ topic: 'x/bridge' }, { topic: 'x/lwt' }] })]);
    expect(speak(decoder, 'x/bridge', 'online').outcome).toBeNull();
    expect(speak(decoder, 'x/lwt', 'offline').values).toEqual({ 'dev1 availability': false });
  });

  it('a last will on the topic of the state', () => {
    const about = of({ avty_t: 'x/s', val_tpl: '{{ value_json.t }}' });
    expect(after(about, 'x/s', 'offline').values).toEqual({ 'dev1 availability': false });
    expect(after(about, 'x/s', { t: 4 }).values).toEqual({ 'dev1 t': 4 });
    expect(after(about, 'x/s', '{"t":').outcome).toBe('invalid-json');
  });
});

describe('discovery: other kinds', () => {
  it('a device with its components', () => {
    const about = {
      dev: { ids: 'ea334450945afc', name: 'Kitchen' },
      o: { name: 'bla2mqtt', sw: '2.1' },
      cmps: {
        t1: {
          p: 'sensor',
          device_class: 'temperature',
          unit_of_measurement: '°C',
          value_template: '{{ value_json.temperature }}',
          unique_id: 't1',
        },
        door: { p: 'binary_sensor', val_tpl: '{{ value_json.door }}' },
        own: { p: 'sensor', stat_t: 'kitchen/own', name: 'Own' },
        gone: { p: 'sensor' },
      },
      state_topic: 'kitchen/state',
      avty_t: 'kitchen/lwt',
    };
    const decoder = taught(['homeassistant/device/ea33/config', about]);
    expect(speak(decoder, 'kitchen/state', { temperature: 20, door: 'ON' }).values).toEqual({
      'ea334450945afc temperature': 20,
      'ea334450945afc door': true,
    });
    expect(speak(decoder, 'kitchen/own', '3').values).toEqual({ 'ea334450945afc Own': 3 });
    expect(speak(decoder, 'kitchen/lwt', 'online').values).toEqual({ 'ea334450945afc availability': true });
    expect(decoder.learned.description('ea334450945afc')).toEqual({ name: 'Kitchen', units: { temperature: '°C' } });
    speak(decoder, 'homeassistant/device/ea33/config', '');
    expect(speak(decoder, 'kitchen/own', '3').outcome).toBeNull();
  });

  it('a climate', () => {
    const about = {
      name: 'Hall',
      temp_unit: 'C',
      curr_temp_t: 'h/s',
      curr_temp_tpl: '{{ value_json.cur }}',
      temp_stat_t: 'h/set',
      mode_stat_t: 'h/mode',
    };
    const decoder = taught(['homeassistant/climate/h/config', about]);
    expect(speak(decoder, 'h/s', { cur: 20 }).values).toEqual({ 'h cur': 20 });
    expect(speak(decoder, 'h/set', '21').values).toEqual({ 'h Hall temperature': 21 });
    expect(speak(decoder, 'h/mode', 'heat').values).toEqual({ 'h Hall mode': 'heat' });
    expect(decoder.learned.description('h').units).toEqual({ cur: '°C', 'Hall temperature': '°C' });
  });

  it('a light in JSON', () => {
    expect(after({ schema: 'json', stat_t: 'l/s' }, 'l/s', { state: 'ON', brightness: 9 }, 'homeassistant/light/l/config').values).toEqual({
      'l state': true,
      'l brightness': 9,
    });
  });

  it.each([
    ['a button', 'homeassistant/button/b/config', { cmd_t: 'b/press' }],
    ['a trigger', 'homeassistant/device_automation/b/config', { t: 'b/action', type: 'x', pl: 'single' }],
    ['its own birth', 'homeassistant/status', 'online'],
  ])('says nothing of a sensor: %s', (_what, topic, payload) => expect(spoken(topic, payload).outcome).toBe('ignored'));
});

describe('discovery: broken and too much', () => {
  it.each([
    ['cut off', '{"name":', 'invalid-json'],
    ['a list', '[]', 'not-an-object'],
    ['no UTF-8', Buffer.from([0xff]), 'invalid-utf8'],
    [
      'too many components',
      { cmps: Object.fromEntries(Array.from({ length: 201 }, (_, index) => [`c${index}`, { p: 'sensor', name: 'x' }])) },
      'too-many-values',
    ],
  ])('%s', (_what, payload, reason) => expect(spoken(TOPIC, payload).outcome).toBe(reason));

  it('a state that is broken', () => expect(after(config, 'cellar/climate', '{"temp":').outcome).toBe('invalid-json'));

  it.each([
    ['odd values', { stat_t: 4, name: [], device: 'x', availability: [null, 4, {}], value_template: {} }],
    ['odd components', { dev: { ids: [] }, cmps: { a: null, b: 4, c: [], d: { p: 3, stat_t: {} } } }],
    ['__proto__', '{"__proto__":{"state_topic":"p/q"},"cmps":{"__proto__":{"p":"sensor","stat_t":"p/q"}}}'],
  ])('%s do no harm', (_what, payload) => {
    expect(spoken(TOPIC, payload).outcome).toBe('ignored');
    expect(Object.prototype).not.toHaveProperty('state_topic');
  });

  it('200 entities of one topic, and no more; those that are there may change', () => {
    const decoder = decoderWith(null);
    const at = (index: number) => `homeassistant/sensor/e${index}/config`;
    const of = (index: number) => ({ ...config, avty_t: 'x/lwt', value_template: `{{ value_json.v${index} }}` });
    for (let index = 0; index < 200; index++) expect(speak(decoder, at(index), of(index)).outcome).toBe('ignored');
    expect(speak(decoder, at(200), of(200)).outcome).toBe('too-much-learned');
    expect(speak(decoder, at(3), of(1000)).outcome).toBe('ignored');
    expect(speak(decoder, 'cellar/climate', { v1000: 1, v3: 2, v4: 3 }).values).toEqual({ 'dev1 v1000': 1, 'dev1 v4': 3 });
    // The bridge has no room for one more either; a topic of its own it has.
    expect(speak(decoder, at(201), { ...of(201), state_topic: 'own/topic' }).outcome).toBe('ignored');
    expect(speak(decoder, 'own/topic', { v201: 1 }).values).toEqual({ 'dev1 v201': 1 });
  });
});
