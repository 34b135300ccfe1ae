import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { loadDirectory } from '../../src/devices/directory.ts';
import { parseFleet } from '../../src/devices/fleet.ts';
import { FORMATS, MODULE } from '../../src/devices/formats.ts';
import { parseProfile } from '../../src/devices/profile.ts';
import { guidesIn } from './guides.ts';

const text = readFileSync('devices/README.md', 'utf8');
const examples = [...text.matchAll(/```yaml\n(.*?)```/gs)].map((match) => match[1] ?? '');

describe('the examples of devices/README.md', () => {
  it('are valid, those that no guide has as well', () => {
    const [profile = '', fleet = ''] = examples.filter((example) => !example.startsWith('# '));
    expect(parseProfile({ path: 'README', text: profile }).problems).toEqual([]);
    expect(parseFleet({ path: 'README', text: fleet }, loadDirectory('devices').directory.profiles).problems).toEqual([]);
    expect(examples.filter((example) => !example.startsWith('# '))).toHaveLength(2);
    // test/main/guides.test.ts follows them in the running program.
    expect(guidesIn(text).map(({ title }) => title)).toEqual([
      'A Tasmota plug',
      'A Zigbee2MQTT bridge',
      'An application of The Things Network',
      'An ESP32 of your own',
    ]);
  });

  it('name every format', () => {
    const rows = [...text.matchAll(/^\| ((?:`[\w-]+`(?:, )?)+) \|/gm)].flatMap(([, names = '']) => names.replaceAll('`', '').split(', '));
    for (const { name } of FORMATS.filter((format) => format !== MODULE)) expect(rows).toContain(name);
  });

  it('and what fleet.yaml shows in comments, are valid', () => {
    const shown = readFileSync('devices/fleet.yaml', 'utf8')
      .replace('devices: []', 'devices:')
      .replace('groups: []', 'groups:')
      .replace(/^# ( +[-a-zA-Z].*)$/gm, ' $1');
    const { fleet, problems } = parseFleet({ path: 'fleet', text: shown }, loadDirectory('devices').directory.profiles);
    expect(problems).toEqual([]);
    expect(fleet.fleet).toMatchObject([{ id: 'fridge-01', profile: 'vaccine-fridge', dependsOn: 'gw-1' }, { id: 'gw-1' }]);
    expect(fleet.groups).toMatchObject([{ id: 'cellar', profile: 'vaccine-fridge', limits: { temperature_max: 6 } }]);
  });
});
