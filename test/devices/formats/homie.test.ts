import { describe, expect, it } from 'vitest';
import { decoderWith, type Spoken, speak, spoken } from './spoken.ts';

type Message = readonly [topic: string, payload: unknown];

/** What the last message says after those before it. */
function after(
  messages: readonly Message[],
  profile: string | null = null,
): Spoken & { units: Readonly<Record<string, string>>; name: string | null } {
  const decoder = decoderWith(profile);
  const spoken = messages.map(([topic, payload]) => speak(decoder, topic, payload)).at(-1);
  if (spoken === undefined) throw new Error('no message');
  return { ...spoken, ...decoder.learned.description('d') };
}

describe('homie: what is read', () => {
  it.each([
    ['a property', 'homie/d/hall/temperature', '21.5', { 'd hall/temperature': 21.5 }],
    ['one that is true', 'homie/d/lamp/power', 'true', { 'd lamp/power': true }],
    ['one that is text', 'homie/d/lamp/color', '255,0,0', { 'd lamp/color': '255,0,0' }],
    ['version 5', 'homie/5/d/hall/temperature', '21.5', { 'd hall/temperature': 21.5 }],
    ['a device called homie', 'homie/homie/hall/temperature', '3', { 'homie hall/temperature': 3 }],
    ['an element of an array', 'homie/d/lights_1/level', '40', { 'd lights_1/level': 40 }],
    ['a statistic', 'homie/d/$stats/freeheap', '20480', { 'd $stats/freeheap': 20480 }],
  ])('%s', (_what, topic, payload, values) => expect(spoken(topic, payload)).toMatchObject({ outcome: 'readings', values }));

  it.each([
    ['ready', true],
    ['alert', true],
    ['sleeping', true],
    ['init', false],
    ['disconnected', false],
    ['lost', false],
  ])('$state %s: availability is %s', (state, availability) => {
    expect(spoken('homie/d/$state', state).values).toEqual({ 'd availability': availability });
    expect(spoken('homie/5/d/$state', state).values).toEqual({ 'd availability': availability });
  });

  it.each([
    ['a command', 'homie/d/lamp/power/set', 'true'],
    ['what a property is to become', 'homie/5/d/lamp/power/$target', 'true'],
    ['its version', 'homie/d/$homie', '4.0.0'],
    ['its address', 'homie/d/$localip', '192.0.2.4'],
    ['its firmware', 'homie/d/$fw/version', '1.0.0'],
    ['how often it sends statistics', 'homie/d/$stats/interval', '60'],
    ['its nodes', 'homie/d/$nodes', 'hall,lights[]'],
    ['a node’s properties', 'homie/d/hall/$properties', 'temperature'],
    ['a log', 'homie/5/d/$log/warn', 'hot'],
    ['an alert', 'homie/5/d/$alert/battery', 'empty'],
    ['the empty text', 'homie/5/d/hall/title', '\u0000'],
    ['a property that is taken back', 'homie/d/hall/temperature', ''],
    ['a level too few', 'homie/d/hall', '1'],
  ])('says nothing of a sensor: %s', (_what, topic, payload) => expect(spoken(topic, payload).outcome).toBe('ignored'));

  it.each(['homie/$broadcast/alert', 'homie/5/$broadcast/alert', 'homie/d', 'homie/5/d'])('%s is of no device', (topic) =>
    expect(spoken(topic, 'x').outcome).toBeNull(),
  );

  it('below another prefix under a profile', () => {
    const profile = 'topic: "things/{device}/#"\ndecode: homie';
    expect(
      after(
        [
          ['things/d/hall/t/$unit', '°C'],
          ['things/d/hall/t', '4'],
        ],
        profile,
      ),
    ).toMatchObject({ values: { 'd hall/t': 4 }, units: { 'hall/t': '°C' } });
  });
});

describe('homie: what is said of a property', () => {
  const says = (attributes: Record<string, string>, property = 'hall/x'): Message[] =>
    Object.entries(attributes).map(([name, value]) => [`homie/d/${property}/$${name}`, value]);

  it.each([
    ['an integer', { datatype: 'integer' }, '-12', -12],
    ['a float', { datatype: 'float', format: '-20:120' }, '2.5e1', 25],
    ['one beyond its range is a profile’s to judge', { datatype: 'float', format: '-20:120' }, '121', 121],
    ['a boolean', { datatype: 'boolean' }, 'false', false],
    ['a choice', { datatype: 'enum', format: 'low,high' }, 'high', 'high'],
    ['a choice with a comma', { datatype: 'enum', format: 'a,,b,c' }, 'a,b', 'a,b'],
    ['a text of digits', { datatype: 'string' }, '42', '42'],
    ['a text that is a word for true', { datatype: 'string' }, 'true', 'true'],
  ])('%s', (_what, attributes, payload, value) => {
    expect(after([...says(attributes), ['homie/d/hall/x', payload]])).toMatchObject({ values: { 'd hall/x': value }, refused: [] });
  });

  it.each([
    ['no number', { datatype: 'integer' }, 'open', 'not-a-number'],
    ['no boolean', { datatype: 'boolean' }, '1', 'wrong-type'],
    ['none of the choices', { datatype: 'enum', format: 'low,high' }, 'middle', 'wrong-type'],
    ['no JSON', { datatype: 'json' }, '{"a":', 'invalid-json'],
    ['no UTF-8', {}, Buffer.from([0xff]), 'invalid-utf8'],
  ])('is held to: %s', (_what, attributes, payload, reason) => {
    expect(after([...says(attributes), ['homie/d/hall/x', payload]]).outcome).toBe(reason);
  });

  it('nan of a number is no reading', () => {
    expect(after([...says({ datatype: 'float' }), ['homie/d/hall/x', 'nan']]).outcome).toBe('ignored');
  });

  it('is forgotten when it is taken back', () => {
    expect(after([...says({ datatype: 'boolean' }), ...says({ datatype: '' }), ['homie/d/hall/x', '7']]).values).toEqual({ 'd hall/x': 7 });
  });

  it('holds for the elements of an array', () => {
    const messages: Message[] = [...says({ unit: '%', datatype: 'integer' }, 'lights/level'), ['homie/d/lights_0/level', '40']];
    expect(after(messages)).toMatchObject({ values: { 'd lights_0/level': 40 }, units: { 'lights_0/level': '%' } });
    expect(after([...messages, ['homie/d/lights_1/level', 'dark']]).outcome).toBe('not-a-number');
  });

  it('a unit that is said later counts, too', () => {
    expect(after([['homie/d/hall/x', '4'], ...says({ unit: 'lx' })]).units).toEqual({ 'hall/x': 'lx' });
  });

  it('a percent is in %, statistics have their units', () => {
    expect(after([...says({ datatype: 'percent' }), ['homie/d/hall/x', '4']]).units).toEqual({ 'hall/x': '%' });
    expect(after([['homie/d/$stats/supply', '3.3']]).units).toEqual({ '$stats/supply': 'V' });
  });

  it('a device has a name', () => expect(after([['homie/d/$name', 'Hall']]).name).toBe('Hall'));
});

describe('homie 5: the description', () => {
  const description = {
    homie: '5.0',
    version: 3,
    name: 'Hall sensor',
    nodes: {
      hall: { name: 'Hall', properties: { temperature: { datatype: 'float', unit: '°C' }, mode: { datatype: 'enum', format: 'eco,day' } } },
    },
  };
  const says: Message = ['homie/5/d/$description', description];

  it('says units, types and the name', () => {
    expect(after([says, ['homie/5/d/hall/temperature', '20']])).toMatchObject({
      values: { 'd hall/temperature': 20 },
      units: { 'hall/temperature': '°C' },
      name: 'Hall sensor',
    });
    expect(after([says, ['homie/5/d/hall/mode', 'night']]).outcome).toBe('wrong-type');
  });

  it('whatever is in it, it does no harm', () => {
    for (const odd of ['{}', '{"nodes":4}', '{"nodes":{"a":null,"b":{"properties":[1]},"__proto__":{"properties":{"x":{"unit":4}}}}}'])
      expect(spoken('homie/5/d/$description', odd).outcome).toBe('ignored');
    expect(spoken('homie/5/d/$description', '[').outcome).toBe('invalid-json');
    const many = Object.fromEntries(Array.from({ length: 1001 }, (_, index) => [`p${index}`, { datatype: 'integer' }]));
    expect(spoken('homie/5/d/$description', { nodes: { a: { properties: many } } }).outcome).toBe('too-much-learned');
  });
});
