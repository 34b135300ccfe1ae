/** Links in messages: what is signed comes back, and nothing else does. */
import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readLink, signLink } from '../../src/notify/action-links.ts';

const KEY = new Uint8Array(randomBytes(32));
const NOW = Date.UTC(2026, 10, 23, 12) * 1000;
const DAY = 86_400_000_000;
const LINK = { alert: '0123456789abcdef0123', contact: 'night-shift', action: 'acknowledge' } as const;
const TOKEN = signLink({ ...LINK, expiresAt: NOW + DAY }, KEY);

const links = fc.record({
  alert: fc.string({ minLength: 1, maxLength: 40, unit: 'grapheme' }),
  contact: fc.string({ minLength: 1, maxLength: 64, unit: 'grapheme' }),
  action: fc.constantFrom('acknowledge' as const, 'silence' as const),
});
const expiries = fc.integer({ min: NOW + 1, max: NOW + 400 * DAY });

describe('a link', () => {
  it('comes back as it was signed, for any names, and can stand in a URL as it is', () => {
    fc.assert(
      fc.property(links, expiries, (link, expiresAt) => {
        const token = signLink({ ...link, expiresAt }, KEY);
        expect(token).toBe(encodeURIComponent(token));
        expect(readLink(token, KEY, NOW)).toEqual(link);
      }),
    );
  });

  it('is short enough for a line of a text mail', () => expect(TOKEN.length).toBeLessThan(90));

  it('is refused with any character of it changed, left out or doubled', () => {
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~%';
    for (let place = 0; place < TOKEN.length; place++) {
      const [before, after] = [TOKEN.slice(0, place), TOKEN.slice(place + 1)];
      expect(readLink(before + after, KEY, NOW), `without ${place}`).toHaveProperty('problem');
      expect(readLink(before + TOKEN[place] + TOKEN[place] + after, KEY, NOW), `${place} twice`).toHaveProperty('problem');
      for (const character of alphabet) {
        if (character === TOKEN[place]) continue;
        expect(readLink(before + character + after, KEY, NOW), `${character} at ${place}`).toHaveProperty('problem');
      }
    }
  });

  it('is refused however it is tampered with', () => {
    fc.assert(
      fc.property(links, expiries, fc.nat(), fc.integer({ min: 0, max: 255 }), (link, expiresAt, at, byte) => {
        const bytes = Buffer.from(signLink({ ...link, expiresAt }, KEY), 'latin1');
        const place = at % bytes.length;
        fc.pre(bytes[place] !== byte);
        bytes[place] = byte;
        expect(readLink(bytes.toString('latin1'), KEY, NOW)).toHaveProperty('problem');
      }),
      { numRuns: 1000 },
    );
  });

  it('is nothing that others could have signed, or that was put together from two', () => {
    expect(readLink(TOKEN, new Uint8Array(randomBytes(32)), NOW)).toHaveProperty('problem');
    const other = signLink({ ...LINK, contact: 'pharmacy', action: 'silence', expiresAt: NOW + 2 * DAY }, KEY);
    const [mine, theirs] = [TOKEN.split('.'), other.split('.')];
    for (let mask = 1; mask < 15; mask++) {
      const mixed = mine.map((part, index) => ((mask >> index) % 2 === 1 ? theirs[index] : part)).join('.');
      if (mixed !== TOKEN && mixed !== other) expect(readLink(mixed, KEY, NOW), mixed).toHaveProperty('problem');
    }
  });

  it('holds up to its end and not from it on, and says so', () => {
    fc.assert(
      fc.property(links, fc.integer({ min: 1, max: 10 * 365 * 86_400 }), (link, seconds) => {
        const expiresAt = NOW + seconds * 1_000_000;
        const token = signLink({ ...link, expiresAt }, KEY);
        expect(readLink(token, KEY, expiresAt - 1)).toEqual(link);
        expect(readLink(token, KEY, expiresAt)).toEqual({ problem: expect.stringContaining('has expired') });
        expect(readLink(token, KEY, expiresAt + DAY)).toHaveProperty('problem');
      }),
    );
  });

  it.each([
    ['nothing', ''],
    ['something else', 'hello'],
    ['dots', '....'],
    ['a version to come', `2${TOKEN.slice(1)}`],
    ['a line break after it', `${TOKEN}\n`],
    ['a megabyte', 'a'.repeat(1_000_000)],
  ])('is not %s', (_, token) => expect(readLink(token, KEY, NOW)).toEqual({ problem: expect.stringContaining('not one of ours') }));

  it('is not made with a key that could be guessed, or of what does not fit', () => {
    expect(() => signLink({ ...LINK, expiresAt: NOW }, new Uint8Array(16))).toThrow('too short');
    expect(() => signLink({ ...LINK, alert: 'x'.repeat(1000), expiresAt: NOW }, KEY)).toThrow('no link');
    expect(() => signLink({ ...LINK, expiresAt: Number.NaN }, KEY)).toThrow('no link');
  });
});
