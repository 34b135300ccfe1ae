import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { loadDirectory } from '../../src/devices/directory.ts';
import { parseFleet } from '../../src/devices/fleet.ts';
import { parseProfile } from '../../src/devices/profile.ts';

const examples = [...readFileSync('devices/README.md', 'utf8').matchAll(/```yaml\n(.*?)```/gs)].map((match) => match[1] ?? '');

describe('the examples of devices/README.md', () => {
  it('are valid', () => {
    const [profile = '', fleet = ''] = examples;
    expect(parseProfile({ path: 'README', text: profile }).problems).toEqual([]);
    expect(parseFleet({ path: 'README', text: fleet }, loadDirectory('devices').directory.profiles).problems).toEqual([]);
    expect(examples).toHaveLength(2);
  });

  it('and what fleet.yaml shows in comments, are valid', () => {
    const text = readFileSync('devices/fleet.yaml', 'utf8')
      .replace('devices: []', 'devices:')
      .replace('groups: []', 'groups:')
      .replace(/^# ( +[-a-zA-Z].*)$/gm, ' $1');
    const { fleet, problems } = parseFleet({ path: 'fleet', text }, loadDirectory('devices').directory.profiles);
    expect(problems).toEqual([]);
    expect(fleet.fleet).toMatchObject([{ id: 'fridge-01', profile: 'vaccine-fridge', dependsOn: 'gw-1' }, { id: 'gw-1' }]);
    expect(fleet.groups).toMatchObject([{ id: 'cellar', profile: 'vaccine-fridge', limits: { temperature_max: 6 } }]);
  });
});
