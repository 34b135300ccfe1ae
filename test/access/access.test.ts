/** Logins: who is let in as whom, who is not and how soon that is said; passwords as they are stored; the throttle. */
import pino from 'pino';
import { Registry } from 'prom-client';
import { afterAll, describe, expect, it } from 'vitest';
import { Access, type AccessSettings, type Attempt } from '../../src/access/access.ts';
import { ChosenPasswords, WAITING_MAX } from '../../src/access/chosen-passwords.ts';
import { type Credential, parseCredentials } from '../../src/access/credentials.ts';
import { FAILURES_MAX, LoginThrottle } from '../../src/access/login-throttle.ts';
import { generatePassword, hashChosen, hashGenerated, isPassword, NOBODYS, parseStored } from '../../src/access/password.ts';
import type { DeviceDirectory } from '../../src/domain/device.ts';
import { systemClock } from '../../src/std/clock.ts';

const NO_DEVICES: DeviceDirectory = { profiles: [], fleet: [], groups: [], unknown: 'accept' };
const CHOSEN = hashChosen('correct horse');
const device = (name: string, ...passwords: readonly string[]): Credential => ({
  kind: 'device',
  name,
  passwords,
  publish: [],
  subscribe: [],
});
const user = (name: string, ...passwords: readonly string[]): Credential => ({ ...device(name, ...passwords), kind: 'user' });
const CREDENTIALS = [
  device('d-1', hashGenerated('new'), hashGenerated('old')),
  device('d-2', hashGenerated('two')),
  user('board', CHOSEN),
  user('gateway'),
];

const opened: Access[] = [];
afterAll(async () => {
  for (const access of opened.splice(0)) await access[Symbol.asyncDispose]();
});

function open(settings: Partial<AccessSettings> = {}) {
  let log = '';
  const write = (line: string): void => {
    log += line;
  };
  const logger = pino({}, { write });
  const registry = new Registry();
  const whole = { anonymous: false, credentials: CREDENTIALS, directory: NO_DEVICES, ...settings };
  const access = new Access(whole, { clock: systemClock, logger, registry });
  opened.push(access);
  return { access, registry, log: () => log };
}

const attempt = (given: Partial<Omit<Attempt, 'password'>> & { password?: string } = {}): Attempt => ({
  clientId: 'any',
  username: null,
  address: '192.0.2.1',
  certificateNames: [],
  holder: undefined,
  isGone: () => false,
  ...given,
  password: given.password === undefined ? null : Buffer.from(given.password),
});

/** `device d-1`, `anonymous`, or the return code. */
async function outcome(access: Access, given: Parameters<typeof attempt>[0]): Promise<string | number> {
  const answer = await access.login(attempt(given));
  if ('returnCode' in answer) return answer.returnCode;
  return answer.who === null ? 'anonymous' : `${answer.who.kind} ${answer.who.name}`;
}

describe('a login', () => {
  const cases: [string, Parameters<typeof attempt>[0], string | number, Partial<AccessSettings>?][] = [
    ['the right password', { username: 'd-2', password: 'two' }, 'device d-2'],
    ['the newer of two passwords', { username: 'd-1', password: 'new' }, 'device d-1'],
    ['the older of two passwords', { username: 'd-1', password: 'old' }, 'device d-1'],
    ['a chosen password', { username: 'board', password: 'correct horse' }, 'user board'],
    ['a wrong password', { username: 'd-1', password: 'two' }, 5],
    ['a wrong chosen password', { username: 'board', password: 'wrong horse' }, 5],
    ['an unknown name', { username: 'nobody', password: 'two' }, 5],
    ['no password', { username: 'd-1' }, 5],
    ['an empty password', { username: 'd-1', password: '' }, 5],
    ['a generated password alone', { username: 'two' }, 'device d-2'],
    ['a chosen password alone', { username: 'correct horse' }, 5],
    ['a password longer than any', { username: 'board', password: 'x'.repeat(2000) }, 5],
    ['the password of one who has none', { username: 'gateway', password: 'two' }, 5],
    ['nothing', {}, 5],
    ['nothing, where that is enough', {}, 'anonymous', { anonymous: true }],
    ['a wrong password, where none is needed', { username: 'd-1', password: 'x' }, 5, { anonymous: true }],
    ['a name, where nobody has credentials', { username: 'x', password: 'y' }, 'anonymous', { anonymous: true, credentials: [] }],
    ['a name, where nobody has credentials and they are needed', { username: 'x', password: 'y' }, 5, { credentials: [] }],
    ['a certificate', { certificateNames: ['d-9'] }, 'device d-9'],
    ['a certificate of a user', { certificateNames: ['gateway'] }, 'user gateway'],
    ['a certificate with a second name that is known', { certificateNames: ['Acme Ltd', 'd-1'] }, 'device d-1'],
    ['a certificate and its name', { username: 'd-9', certificateNames: ['d-9'] }, 'device d-9'],
    ['a certificate and another name', { username: 'd-1', certificateNames: ['d-9'] }, 5],
    ['a certificate and a wrong password', { username: 'd-1', password: 'x', certificateNames: ['d-1'] }, 5],
    [
      'a certificate of nobody, where strangers are rejected',
      { certificateNames: ['d-9'] },
      5,
      { directory: { ...NO_DEVICES, unknown: 'reject' } },
    ],
    ['a certificate that is the program’s', { certificateNames: ['tocsin'] }, 5],
    ['its own id as client id', { username: 'd-1', password: 'new', clientId: 'd-1' }, 'device d-1'],
    ['another device’s id as client id', { username: 'd-1', password: 'new', clientId: 'd-2' }, 2],
    ['a device’s id as a user’s client id', { username: 'board', password: 'correct horse', clientId: 'd-2' }, 2],
  ];
  const { access: usual } = open();
  it.concurrent.each(cases)('with %s', async (name, given, expected, settings) => {
    const index = cases.findIndex(([other]) => other === name);
    const access = settings === undefined ? usual : open(settings).access;
    expect(await outcome(access, { ...given, address: `198.51.100.${index}` })).toBe(expected);
  });

  it('under a client id that another one holds is refused, and under one’s own it is not', async () => {
    const { access } = open({ anonymous: true });
    const holder = await access.login(attempt({ username: 'd-1', password: 'new' }));
    if ('returnCode' in holder) throw new Error('refused');
    expect(await outcome(access, { username: 'd-1', password: 'old', holder })).toBe('device d-1');
    expect(await outcome(access, { username: 'd-2', password: 'two', holder })).toBe(2);
    expect(await outcome(access, { holder })).toBe(2);
  });

  it('that fails is answered after the same second, whatever is wrong; one that is right at once', async () => {
    const { access } = open();
    const durations = async (given: Parameters<typeof attempt>[0]): Promise<number> => {
      const beganMs = performance.now();
      await access.login(attempt(given));
      return performance.now() - beganMs;
    };
    expect(await durations({ username: 'd-1', password: 'new' })).toBeLessThan(200);
    const failed = await Promise.all(
      ['nobody', 'd-1', 'board', 'gateway'].map((username) => durations({ username, password: 'wrong password' })),
    );
    for (const tookMs of failed) expect(tookMs).toBeGreaterThan(990);
    expect(Math.max(...failed) - Math.min(...failed)).toBeLessThan(300);
  });

  it('is counted, and logged without what was given as password', async () => {
    const { access, registry, log } = open();
    await Promise.all([
      access.login(attempt({ username: 'd-1', password: 'hunter2-hunter2', clientId: 'c-1' })),
      access.login(attempt({ username: 'a-token-that-is-secret' })),
      access.login(attempt({ username: 'd-1', password: 'new' })),
    ]);
    expect(log()).toContain('"user":"d-1","client":"c-1","address":"192.0.2.1","reason":"wrong user name or password"');
    expect(log()).not.toMatch(/hunter2|secret|sha256/);
    const metrics = await registry.metrics();
    expect(metrics).toContain('tocsin_mqtt_logins_total{outcome="refused"} 2');
    expect(metrics).toContain('tocsin_mqtt_logins_total{outcome="accepted"} 1');
  });

  it('floods no log: past so many it says that it is silent', async () => {
    const { access, log } = open();
    await Promise.all(
      Array.from({ length: 80 }, (_, index) => access.login(attempt({ username: 'd-1', password: 'x', address: `192.0.2.${index}` }))),
    );
    const lines = log().trim().split('\n');
    expect(lines).toHaveLength(51);
    expect(lines.at(-1)).toContain('further refused logins are not logged');
  });
});

describe('a session', () => {
  const session = async (access: Access, given: Parameters<typeof attempt>[0]) => {
    const answer = await access.login(attempt(given));
    if ('returnCode' in answer) throw new Error('refused');
    return answer;
  };

  it('holds while the password that it came with counts', async () => {
    const { access } = open();
    const [older, newer] = [
      await session(access, { username: 'd-1', password: 'old' }),
      await session(access, { username: 'd-1', password: 'new' }),
    ];
    const use = (...passwords: readonly string[]): boolean[] => {
      access.use({ anonymous: false, credentials: [device('d-1', ...passwords)], directory: NO_DEVICES });
      return [access.renew(older), access.renew(newer)];
    };
    expect(use(hashGenerated('new'), hashGenerated('old'))).toEqual([true, true]);
    expect(use(hashGenerated('newest'), hashGenerated('new'))).toEqual([false, true]);
    expect([older.rights.mayPublish('sensors/d-1/telemetry'), newer.rights.mayPublish('sensors/d-1/telemetry')]).toEqual([false, true]);
    access.use({ anonymous: false, credentials: [], directory: NO_DEVICES });
    expect(access.renew(newer)).toBe(false);
  });

  it('of a certificate holds while its device is not rejected, and an anonymous one while those may connect', async () => {
    const { access } = open({ anonymous: true });
    const [certified, anonymous] = [await session(access, { certificateNames: ['d-9'] }), await session(access, {})];
    access.use({ anonymous: true, credentials: [], directory: { ...NO_DEVICES, unknown: 'reject' } });
    expect([access.renew(certified), access.renew(anonymous)]).toEqual([false, true]);
    access.use({ anonymous: false, credentials: [], directory: NO_DEVICES });
    expect([access.renew(certified), access.renew(anonymous)]).toEqual([true, false]);
  });

  it('has the topics that its user has by now', async () => {
    const { access } = open({ credentials: [{ ...user('u', hashGenerated('p')), publish: ['a/#'] }] });
    const given = await session(access, { username: 'u', password: 'p' });
    expect([given.rights.mayPublish('a/b'), given.rights.mayPublish('b/c')]).toEqual([true, false]);
    access.use({ anonymous: false, credentials: [{ ...user('u', hashGenerated('p')), publish: ['b/#'] }], directory: NO_DEVICES });
    expect(access.renew(given)).toBe(true);
    expect([given.rights.mayPublish('a/b'), given.rights.mayPublish('b/c')]).toEqual([false, true]);
  });
});

describe('many failed logins of one address', () => {
  it('stop the checks of chosen passwords there, and of nothing else', async () => {
    const { access, registry } = open();
    const wrong = Array.from({ length: FAILURES_MAX }, () => outcome(access, { username: 'd-1', password: 'x' }));
    expect(new Set(await Promise.all(wrong))).toEqual(new Set([5]));
    expect(await outcome(access, { username: 'board', password: 'correct horse' })).toBe(5);
    expect(await registry.metrics()).toContain('tocsin_mqtt_logins_total{outcome="throttled"} 1');
    expect(await outcome(access, { username: 'd-1', password: 'new' })).toBe('device d-1');
    expect(await outcome(access, { username: 'board', password: 'correct horse', address: '192.0.2.2' })).toBe('user board');
  });

  it('are forgiven one by one; an IPv6 network is one address; the table is bounded', () => {
    let nowMs = 0;
    const throttle = new LoginThrottle({ ...systemClock, monotonicMs: () => nowMs });
    for (let time = 0; time < 50; time++) throttle.failed('2001:db8::1');
    expect([throttle.isThrottled('2001:db8:0:0:ffff::2'), throttle.isThrottled('2001:db8:0:1::1')]).toEqual([true, false]);
    nowMs = 3000;
    expect(throttle.isThrottled('2001:db8::1')).toBe(false);
    expect(throttle.failed('2001:db8::1')).toBe(FAILURES_MAX);
    expect(throttle.isThrottled('2001:db8::1')).toBe(true);
    nowMs += 3000 * FAILURES_MAX;
    expect(throttle.failed('2001:db8::1')).toBe(1);
    for (let time = 0; time < 50; time++) throttle.failed('::ffff:192.0.2.1');
    expect(throttle.isThrottled('192.0.2.1')).toBe(true);
    for (let index = 0; index < 10_000; index++) throttle.failed(`10.0.${index >> 8}.${index & 255}`);
    expect(throttle.isThrottled('192.0.2.1')).toBe(false);
  });
});

describe('chosen passwords', () => {
  it('that wait are bounded, those of who has gone are not computed, and what was right is recognised', async () => {
    await using chosen = new ChosenPasswords(systemClock);
    const check = (isGone: () => boolean, password = 'correct horse') =>
      chosen.match({ password: Buffer.from(password), candidates: [CHOSEN], isGone });
    const beganMs = performance.now();
    let isGone = false;
    // One is being computed, the others wait.
    const gone = Array.from({ length: WAITING_MAX + 1 }, () => check(() => isGone, 'wrong horse').catch((error: Error) => error.message));
    await expect(check(() => false)).rejects.toThrow('too many passwords wait');
    isGone = true;
    expect(new Set((await Promise.all(gone)).slice(1))).toEqual(new Set(['the client has gone']));
    // Each would take tens of milliseconds.
    expect(performance.now() - beganMs).toBeLessThan(2000);
    expect(await check(() => false)).toBe(CHOSEN);
    expect(await Promise.all(Array.from({ length: 1000 }, () => check(() => false)))).toEqual(Array(1000).fill(CHOSEN));
    expect(await check(() => false, 'wrong horse')).toBeNull();
  });
});

describe('a stored password', () => {
  it.each(['generated', 'chosen'])('%s: is right for itself only, and never made twice the same', (kind) => {
    const password = generatePassword();
    const stored = kind === 'chosen' ? hashChosen(password) : hashGenerated(password);
    const parsed = parseStored(stored);
    expect(parsed?.kind).toBe(kind);
    expect(stored).not.toContain(password);
    expect(parsed !== null && isPassword(Buffer.from(password), parsed)).toBe(true);
    expect(parsed !== null && isPassword(Buffer.from(`${password}x`), parsed)).toBe(false);
    expect(generatePassword()).not.toBe(password);
    if (kind === 'chosen') expect(hashChosen(password)).not.toBe(stored);
  });

  it('that nobody has is nobody’s, and takes as long', () => {
    expect(parseStored(NOBODYS)).toMatchObject({ kind: 'chosen', cost: { logN: 14 } });
  });

  it.each(['hunter2', '$sha256$short', CHOSEN.replace('ln=14', 'ln=25'), CHOSEN.replace('p=1', 'p=99'), CHOSEN.replace('r=8', 'r=0')])(
    '%s is none',
    (text) => {
      expect(parseStored(text)).toBeNull();
    },
  );
});

describe('credentials.yaml', () => {
  const problems = (text: string): string[] => parseCredentials({ path: 'c.yaml', text }).problems.map((problem) => problem.render());

  it('is read', () => {
    const text = `devices:\n  d-1: {passwords: ["${CHOSEN}"], publish: [a/#]}\n  d-2:\nusers:\n  board: {subscribe: ["#", "$SYS/#"]}\n`;
    expect(parseCredentials({ path: 'c.yaml', text })).toEqual({
      credentials: [{ ...device('d-1', CHOSEN), publish: ['a/#'] }, device('d-2'), { ...user('board'), subscribe: ['#', '$SYS/#'] }],
      problems: [],
    });
    expect(problems('')).toEqual([]);
  });

  it.each([
    ['a password in clear', 'devices: {d: {passwords: [hunter2]}}', /^c\.yaml:1:27: expected a hash\nhint: .*rotate/],
    ['three passwords', `devices: {d: {passwords: ["${CHOSEN}", "${CHOSEN}", "${CHOSEN}"]}}`, /at most 2 passwords/],
    ['a name that is both', 'devices: {x: }\nusers: {x: }', /^c\.yaml:2:9: x is a device as well/],
    ['a name with a level', 'users: {a/b: }', /no \+, # or \//],
    ['the program’s name', 'devices: {tocsin: }', /tocsin is the program itself/],
    ['a topic of the program', 'users: {a: {publish: [tocsin/x]}}', /only the program itself/],
    ['a wildcard inside a level', 'users: {a: {subscribe: [a/b#]}}', /^c\.yaml:1:25: .*whole/],
    ['a topic with $ that is not there', 'users: {a: {subscribe: [$share/x/y]}}', /\$SYS only/],
    ['an unknown key', 'users: {a: {subscrib: [x]}}', /did you mean subscribe/],
  ])('%s is a mistake', (_name, text, expected) => {
    const found = problems(text);
    expect(found).toEqual([expect.stringMatching(expected)]);
    expect(found.join()).not.toMatch(/hunter2|scrypt/);
  });
});
