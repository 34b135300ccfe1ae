import { expect, it } from 'vitest';
import { owntracks } from '../../../src/devices/decoders/owntracks.ts';
import { decoderWith, speak, spoken } from './spoken.ts';

const PHONE = 'owntracks/jane/phone';
const FIX = { _type: 'location', lat: 52.5, lon: 13.4, tst: 1775203140 };

it.each([
  [
    'a location: ids, addresses and other times are no readings',
    PHONE,
    {
      ...FIX,
      tid: 'jp',
      acc: 12,
      alt: 34,
      vac: 3,
      vel: 5,
      cog: 270,
      batt: 81,
      bs: 1,
      p: 101.3,
      t: 'u',
      conn: 'w',
      m: 1,
      SSID: 'net',
      BSSID: '0:1:2',
      created_at: 1775203199,
      inregions: ['Home'],
      inrids: ['abc'],
      topic: PHONE,
      _id: 'f00',
    },
    {
      lat: 52.5,
      lon: 13.4,
      acc: 12,
      alt: 34,
      vac: 3,
      vel: 5,
      cog: 270,
      batt: 81,
      bs: 1,
      p: 101.3,
      t: 'u',
      conn: 'w',
      m: 1,
      'inregions.0': 'Home',
    },
  ],
  [
    'a transition',
    `${PHONE}/event`,
    { _type: 'transition', wtst: 1, tst: 1775203140, lat: 1, lon: 2, acc: 3, tid: 'jp', event: 'leave', desc: 'Office', t: 'c', rid: 'x' },
    { lat: 1, lon: 2, acc: 3, event: 'leave', desc: 'Office', t: 'c' },
  ],
  ['steps', `${PHONE}/step`, { _type: 'steps', tst: 1775203140, steps: 1234, from: 1, to: 2 }, { steps: 1234 }],
])('%s', (_what, topic, payload, values) => {
  const found = spoken(topic, payload);
  expect(found.values).toEqual(Object.fromEntries(Object.entries(values).map(([name, value]) => [`jane/phone ${name}`, value])));
  expect(found.times).toEqual(['2026-04-03T07:59:00.000Z']);
});

it.each([
  ['a phone that counts no steps', `${PHONE}/step`, { _type: 'steps', tst: 1775203140, steps: -1 }, 'ignored'],
  ['a waypoint', `${PHONE}/waypoint`, { _type: 'waypoint', desc: 'Home', lat: 1, lon: 2, tst: 3 }, 'ignored'],
  ['waypoints', `${PHONE}/waypoints`, { _type: 'waypoints', waypoints: [] }, 'ignored'],
  ['a card', `${PHONE}/info`, { _type: 'card', name: 'Jane', face: 'aaaa' }, 'ignored'],
  ['a command', `${PHONE}/cmd`, { _type: 'cmd', action: 'reportLocation' }, 'ignored'],
  ['settings', `${PHONE}/dump`, { _type: 'configuration', host: 'h', password: 'p' }, 'ignored'],
  ['no type', PHONE, { lat: 1, lon: 2 }, 'ignored'],
  ['encrypted', PHONE, { _type: 'encrypted', data: 'c2VjcmV0' }, 'encrypted'],
  ['the text form of old trackers', PHONE, 'X1,55e5b3c1,t,1,2', 'invalid-json'],
  ['a number', PHONE, '1', 'not-an-object'],
  ['a user’s topic', 'owntracks/jane', FIX, null],
])('%s', (_what, topic, payload, outcome) => {
  expect(spoken(topic, payload).outcome).toBe(outcome);
});

it('the will says that the phone is gone, and its next message that it is back', () => {
  const decoder = decoderWith(null);
  const will = speak(decoder, PHONE, { _type: 'lwt', tst: 1775100000 });
  expect(will).toMatchObject({ values: { 'jane/phone availability': false }, times: [] });
  expect(speak(decoder, 'owntracks/joe/phone', FIX).values).not.toHaveProperty('joe/phone availability');
  expect(speak(decoder, `${PHONE}/event`, { ...FIX, _type: 'transition', event: 'enter' }).values).toMatchObject({
    'jane/phone event': 'enter',
    'jane/phone availability': true,
  });
  expect(speak(decoder, PHONE, FIX).values).not.toHaveProperty('jane/phone availability');
});

it('under topics of one’s own', () => {
  const values = { 'phone lat': 52.5, 'phone lon': 13.4 };
  expect(spoken('where/phone', FIX, 'topic: "where/{device}/#"\ndecode: owntracks').values).toEqual(values);
  expect(spoken('a/b/jane/phone', FIX, 'topic: "a/b/{user}/{tracker}/#"\ndecode: owntracks').values).toHaveProperty('jane/phone lat', 52.5);
});

it.each([
  ['lat', '°'],
  ['acc', 'm'],
  ['vel', 'km/h'],
  ['batt', '%'],
  ['p', 'kPa'],
  ['temp_c-1', '°C'],
  ['bs', null],
])('the unit of %s is %s', (metric, unit) => {
  expect(owntracks.unitOf?.(metric)).toBe(unit);
});
