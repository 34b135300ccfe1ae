/** A device's name and units: its profile's, else what its messages have said. */
import { expect, it } from 'vitest';
import { describe } from '../../src/devices/describing.ts';
import { LearnedTable } from '../../src/devices/learned.ts';
import { metric, profileOf } from '../alerts/scenario.ts';

const values = { temperature: { value: 5 }, humidity: { value: 60 }, door: { value: true } };
const profile = profileOf({ metrics: [{ ...metric('temperature'), unit: '°C' }, metric('humidity')] });
const profiles = new Map([[profile.name, profile]]);

function unitsOf(device: { id: string; profile: string | null }) {
  const table = new LearnedTable();
  table.describe('fridge-01', { name: 'The one in the hall', units: { temperature: '°F', humidity: '%' } });
  const { name, values: described } = describe({ ...device, values }, { profiles, learned: (id) => table.description(id) });
  return { name, units: ['temperature', 'humidity', 'door'].map((metric) => described[metric]?.unit) };
}

it.each([
  ['the profile comes first', { id: 'fridge-01', profile: 'vaccine-fridge' }, { name: 'The one in the hall', units: ['°C', '%', null] }],
  ['without one it is what was learned', { id: 'fridge-01', profile: null }, { name: 'The one in the hall', units: ['°F', '%', null] }],
  ['without either there is none', { id: 'fridge-02', profile: null }, { name: null, units: [null, null, null] }],
  ['a profile that is gone says nothing', { id: 'fridge-02', profile: 'gone' }, { name: null, units: [null, null, null] }],
])('%s', (_, device, expected) => expect(unitsOf(device)).toEqual(expected));
