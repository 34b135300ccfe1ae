/** What config/README.md shows of who may connect is valid. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseCredentials } from '../../src/access/credentials.ts';
import { loadConfig } from '../../src/config.ts';
import { temporaryConfig } from '../config/temporary-config.ts';

const README = readFileSync('config/README.md', 'utf8');
const example = (key: string): string => new RegExp(`\`\`\`yaml\n(${key}:.*?)\`\`\``, 's').exec(README)?.[1] ?? '';

describe('the examples of config/README.md', () => {
  it('of credentials are valid', () => {
    const { credentials, problems } = parseCredentials({ path: 'README', text: example('devices') });
    expect(problems.map((problem) => problem.render())).toEqual([]);
    expect(credentials.map(({ name }) => name)).toEqual(['fridge-01', 'gw-1', 'dashboard']);
  });

  it('of TLS are valid', () => {
    using file = temporaryConfig(example('mqtt'));
    expect(loadConfig({ path: file.path, set: [], env: {} }).mqtt).toMatchObject({ anonymous: false, tls: { clientCert: 'optional' } });
  });
});
