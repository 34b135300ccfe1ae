import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Alert } from '../../../src/domain/alert.ts';
import type { Cause, Item, News } from '../../../src/notify/content.ts';
import { type RenderInput, subjectOf } from '../../../src/notify/mail/render.ts';
import { alertOf, contentOf, EVERY_KIND, facts, HOUR, itemOf, MINUTE, NOW, PUBLIC_URL, rendered, START, update } from './contents.ts';

function message(news: News, alert: Partial<Alert> = {}, more: { item?: Partial<Item>; cause?: Cause; input?: Partial<RenderInput> } = {}) {
  return rendered(contentOf(more.cause ?? update, [itemOf(news, alert, more.item)]), more.input);
}

const reminder: Cause = { kind: 'reminder', since: NOW, group: {} };
const escalation: Cause = { kind: 'escalation', step: 2, steps: 3, afterMs: 1_800_000 };
const silence: Cause = { kind: 'mute-end', mute: 'silence', name: 'Door seal', by: 'anna', from: START, to: NOW };
const nights: Cause = { kind: 'mute-end', mute: 'schedule', name: 'nights', by: null, from: START, to: NOW };
const digest: Cause = { kind: 'digest', held: 3, since: START, perHour: 60 };
const test: Cause = { kind: 'test', by: 'anna' };

describe('a message about one alert', () => {
  const subjects: [name: string, news: News, alert: Partial<Alert>, more: { item?: Partial<Item>; cause?: Cause }, subject: string][] = [
    ['firing', 'firing', {}, {}, '[CRITICAL] fridge-warm on fridge-01: 9.3 °C'],
    ['a warning', 'firing', { level: 'warning' }, {}, '[WARNING] fridge-warm on fridge-01: 9.3 °C'],
    ['a higher level', 'level', {}, { item: { fromLevel: 'warning' } }, '[CRITICAL] fridge-warm on fridge-01: 9.3 °C'],
    [
      'a lower level',
      'level',
      { level: 'warning' },
      { item: { fromLevel: 'critical' } },
      '[WARNING] fridge-warm on fridge-01: 9.3 °C, was critical',
    ],
    ['resolved', 'resolved', { value: 7.1 }, {}, '[RESOLVED] fridge-warm on fridge-01: 7.1 °C'],
    ['came and went', 'ended', { value: 7.1 }, {}, '[RESOLVED] fridge-warm on fridge-01: came and went in 10m'],
    ['no data', 'no-data', { flags: ['no-data'] }, {}, '[CRITICAL] fridge-warm on fridge-01: no data'],
    ['fired by silence', 'firing', { flags: ['no-data'], level: 'warning' }, {}, '[WARNING] fridge-warm on fridge-01: no data'],
    ['data again', 'no-data', {}, {}, '[CRITICAL] fridge-warm on fridge-01: data again, 9.3 °C'],
    ['flapping', 'flapping', {}, {}, '[CRITICAL] fridge-warm on fridge-01: flapping, 9.3 °C'],
    ['flapping that is over now', 'flapping', { state: 'resolved' }, {}, '[FLAPPING] fridge-warm on fridge-01: flapping, 9.3 °C'],
    ['calm', 'calm', {}, {}, '[CRITICAL] fridge-warm on fridge-01: no longer flapping, 9.3 °C'],
    ['a reminder', 'still', {}, { cause: reminder }, '[CRITICAL] fridge-warm on fridge-01: still 9.3 °C, 4h'],
    [
      'a reminder of silence',
      'still',
      { flags: ['no-data'] },
      { cause: reminder },
      '[CRITICAL] fridge-warm on fridge-01: still no data, 4h',
    ],
    ['a reminder without value', 'still', { value: null }, { cause: reminder }, '[CRITICAL] fridge-warm on fridge-01: still firing, 4h'],
    ['an escalation', 'still', {}, { cause: escalation }, '[CRITICAL] fridge-warm on fridge-01: still 9.3 °C, unacknowledged for 30m'],
    [
      'an escalation to somebody new',
      'firing',
      {},
      { cause: escalation },
      '[CRITICAL] fridge-warm on fridge-01: 9.3 °C, unacknowledged for 30m',
    ],
    ['the end of a silence', 'still', {}, { cause: silence }, '[CRITICAL] fridge-warm on fridge-01: still 9.3 °C, silence over'],
    [
      'the end of a window',
      'ended',
      {},
      { cause: nights },
      '[RESOLVED] fridge-warm on fridge-01: came and went in 10m, schedule nights over',
    ],
    ['a digest', 'still', {}, { cause: digest }, '[DIGEST] 3 messages held back: fridge-warm on fridge-01: still 9.3 °C'],
    ['a test', 'firing', {}, { cause: test }, '[TEST] fridge-warm on fridge-01: 9.3 °C'],
    ['no value', 'firing', { value: null }, {}, '[CRITICAL] fridge-warm on fridge-01'],
    ['a long number', 'firing', { value: 9.299999999999999 }, {}, '[CRITICAL] fridge-warm on fridge-01: 9.3 °C'],
    ['a truth', 'firing', { value: true }, {}, '[CRITICAL] fridge-warm on fridge-01: true'],
    ['a line break in a value', 'firing', { value: 'x\r\nBcc: e@x.org' }, {}, '[CRITICAL] fridge-warm on fridge-01: x Bcc: e@x.org'],
    ['a text that turns its direction', 'firing', { value: 'a\u202Eb\u0000c' }, {}, '[CRITICAL] fridge-warm on fridge-01: a b c'],
    ['a device unknown to the fleet, by the rule', 'firing', { device: 'f9' }, {}, '[CRITICAL] fridge-warm on f9: 9.3 °C'],
  ];
  it.each(subjects)('has the subject of %s', (_name, news, alert, more, subject) => {
    const at = NOW + 4 * HOUR;
    const content = contentOf(more.cause ?? update, [itemOf(news, alert, more.item)]);
    expect(rendered(content, { at }).subject).toBe(subject);
    expect(subjectOf(content, facts, at)).toBe(subject);
  });

  it('tells value, limit, condition, since when, device, labels, reason, description and where to look', () => {
    expect(message('firing').text).toBe(`fridge-warm on fridge-01 is critical
Fridge 1 is at 9.3 °C

Value:     9.3 °C
Limit:     temperature_max = 7 °C
Condition: temperature > limits.temperature_max, for 10m
Since:     2026-01-02 03:04:05 UTC, 10m ago
Device:    fridge-01
Rule:      fridge-warm
Labels:    team=pharmacy, site=berlin
Reason:    temperature > 8 held for 10m

Vaccines spoil above 8 °C.
Move them first.

Alert: https://tocsin.example.org/?alert=fridge-warm%2Ffridge-01%2F7
Runbook: https://wiki.example.org/fridges
`);
  });

  it('says in HTML what the text says, how far beyond the limit it is, and where to act', () => {
    const links = { alert: `${PUBLIC_URL}a`, acknowledge: `${PUBLIC_URL}k?t=1&u=2`, silence: `${PUBLIC_URL}s` };
    const chart = { contentId: 'c@tocsin', describes: 'Chart of temperature: 4 to 9.3 °C' };
    const { text, html } = message('firing', {}, { input: { links, chart } });
    expect(html).toContain('2.3 °C above temperature_max (7 °C) · since 03:04 UTC');
    expect(html).toMatch(/<a href="https:\/\/tocsin\.example\.org\/k\?t=1&amp;u=2"[^>]*>Acknowledge</);
    expect(html).toMatch(/<img src="cid:c@tocsin" alt="Chart of temperature: 4 to 9.3 °C"/);
    for (const line of text.split('\n')) {
      const said = line
        .replace(/^(\w+( \w+)?): +/, '')
        .replaceAll('>', '&gt;')
        .replace('?t=1&', '?t=1&amp;');
      expect(html, line).toContain(said);
    }
    for (const target of Object.values(links)) expect(text).toContain(target);
    expect(text).toContain(chart.describes);
  });

  it('shows nothing to press that is not there, and no duration where nobody says what time it is', () => {
    const input: Partial<RenderInput> = { publicUrl: null };
    const { text, html } = message('still', {}, { cause: reminder, input: { ...input, at: NOW - HOUR } });
    expect(html.match(/<a /g)).toHaveLength(1);
    expect(text).not.toMatch(/Acknowledge|Silence:|Alert:|ago/);
    expect(text).toContain('fridge-warm on fridge-01 is still critical\n');
    expect(text).toContain('the last message about it was sent at 2026-01-02 03:14:05 UTC.');
  });

  it.each<[name: string, cause: Cause, news: News, alert: Partial<Alert>, said: string[]]>([
    ['a reminder', reminder, 'still', {}, ['is still critical, for 4h', 'sent at 2026-01-02 03:14:05 UTC, 4h ago']],
    ['an escalation', escalation, 'still', {}, ['is critical, and nobody has acknowledged it', 'Step 2 of 3 of the escalation', 'for 30m']],
    ['a silence', silence, 'still', {}, ['from 2026-01-02 03:04:05 to 03:14:05 UTC: it was silenced by anna (“Door seal”)']],
    ['a schedule', nights, 'ended', {}, ['was critical for 10m and is over', 'it was muted by the schedule nights']],
    [
      'an inhibition',
      { ...silence, mute: 'inhibition', name: 'power-cut on berlin' },
      'still',
      {},
      ['it was inhibited by power-cut on berlin'],
    ],
    ['a digest', digest, 'still', {}, ['3 messages since 2026-01-02 03:04:05 UTC were held back', 'More than 60 messages within an hour']],
    ['a test', test, 'firing', {}, ['A test: fridge-warm on fridge-01 is critical', 'asked for by anna', 'nothing to do']],
    ['flapping', update, 'flapping', {}, ['is flapping', 'more than 6 times within 30m', 'once it is calm']],
    ['calm', update, 'calm', {}, ['has stopped flapping and is critical']],
    ['info', update, 'firing', { level: 'info' }, ['fridge-warm on fridge-01 is firing (info)']],
    ['an end', update, 'resolved', {}, ['was critical and is over', 'Fired:     2026-01-02 03:14:05 UTC', 'UTC (fired for 10m)']],
    ['silence of a device', update, 'no-data', { flags: ['no-data'] }, ['no more data, the alert stays open', 'Last value: 9.3 °C']],
    ['marks', update, 'still', { flags: ['acknowledged'] }, ['Marked:    acknowledged']],
  ])('tells of %s why it is there', (_name, cause, news, alert, said) => {
    const { text } = message(news, alert, { cause, input: { at: NOW + 4 * HOUR } });
    for (const part of said) expect(text).toContain(part);
  });

  it('names a group as one, and knows no device of its name', () => {
    const { subject, text } = message('firing', { device: 'fridge-01', group: 'site=berlin' });
    expect(subject).toBe('[CRITICAL] fridge-warm on group site=berlin: 9.3 °C');
    expect(text).toContain('fridge-warm on group site=berlin is critical');
    expect(text).toContain('\nGroup:     site=berlin\n');
    expect(text).not.toContain('Device:');
    // The device fridge-01 has a limit of its own: 7.
    expect(text).toContain('temperature_max = 8 °C');
  });

  it('of an end that is the first that is heard of it says what had fired, when, and how bad it was', () => {
    const replaces = [{ subject: '[CRITICAL] fridge-warm on fridge-01: 9 °C', level: 'critical' as const, at: NOW }];
    const { text, html } = message('resolved', { level: 'warning' }, { input: { replaces } });
    for (const shown of [text, html]) {
      expect(shown).toContain('fridge-warm on fridge-01 was critical and is over');
      expect(shown).toContain(
        'takes the place of an earlier one not delivered before: [CRITICAL] fridge-warm on fridge-01: 9 °C (2026-01-02 03:14:05 UTC)',
      );
    }
    const many = Array.from({ length: 40 }, (_, i) => ({ subject: `earlier ${i}`, level: 'info' as const, at: START }));
    const { text: bounded } = message('resolved', {}, { input: { replaces: many } });
    expect(bounded).toContain('of 40 earlier ones not delivered before: 35 more; earlier 35 (');
  });

  it('makes a link only of what is one', () => {
    const of = (runbook: string) =>
      message('firing', {}, { input: { publicUrl: null, factsOf: (alert) => ({ ...facts(alert), runbook }) } }).html;
    for (const runbook of ['javascript:alert(1)', 'see the wiki', 'https://x.org/a b', `https://x.org/${'a'.repeat(2000)}`]) {
      expect(of(runbook)).not.toContain('<a ');
    }
    expect(of('https://x.org/"><b>')).toContain('href="https://x.org/&quot;&gt;&lt;b&gt;"');
    const { html } = message('firing', {}, { input: { links: { alert: 'javascript:1', acknowledge: null, silence: null } } });
    expect(html).not.toContain('javascript:');
  });
});

describe('every kind of message', () => {
  it.each(Object.entries(EVERY_KIND))('is readable as %s', (_name, { content, at }) => {
    const mail = rendered(content, { at });
    expect(rendered(structuredClone(content), { at })).toEqual(mail);
    expect(mail.subject).toBe(subjectOf(content, facts, at));
    expect(mail.subject).toMatch(/^\[[A-Z ]+\] \S/);
    // On a lock screen: what it is about, and where.
    expect(mail.subject.slice(0, 45)).toMatch(/fridge-|door-open|with g|messages held back/);
    expect(mail.text).not.toMatch(/undefined|null|NaN|\[object|\n\n\n| \n/);
    expect(mail.html).not.toMatch(/undefined|>null|NaN|\[object/);
    const notLoaded = mail.html.replace(/<style>[^<]*<\/style>/, '');
    expect(notLoaded).not.toMatch(/<(?:img|link|script|iframe|style|form)|url\(|@import/i);
  });

  it.each(Object.entries(EVERY_KIND))(
    'is legible as %s where the style sheet is stripped: text has its background and colour',
    (_name, { content, at }) => {
      const { html } = rendered(content, { at });
      const [, card] = /<table role="presentation" class="card"[^>]*style="([^"]*)"/.exec(html) ?? [];
      expect(card).toMatch(/background-color:#ffffff.*color:#1d2433/);
      // Whatever the sheet gives another colour in the dark had one of its own before.
      const [, sheet = ''] = /<style>([^<]*)<\/style>/.exec(html) ?? [];
      const named = [...sheet.matchAll(/^\.(\w+)\{/gm)].map(([, name]) => name ?? '');
      expect(named).toContain('ink');
      for (const [tag, classes = '', style = ''] of html.matchAll(/<\w+[^>]*class="([^"]*)"[^>]*style="([^"]*)"/g)) {
        expect(
          classes.split(' ').every((name) => named.includes(name)),
          tag,
        ).toBe(true);
        expect(style, tag).toMatch(/color:#|border-bottom:/);
      }
    },
  );
});

describe('texts from outside', () => {
  const nasty = fc.string({
    unit: fc.constantFrom('<', '>', '"', "'", '&', '\r', '\n', '\u0000', '\u2028', '\u202e', '\ud800', 'a', ' ', '😀'),
    maxLength: 60,
  });
  const tagsOf = (html: string) => html.match(/<[^>]*>/g)?.filter((tag) => !tag.startsWith('<title') && !tag.startsWith('<a '));

  it('stay in their place, whatever a device says', () => {
    const of = (device: string, value: string, text: string, label: string) =>
      message(
        'firing',
        { device, value, summary: `.${text}`, labels: { x: label } },
        { item: { reason: `.${text}` }, cause: { kind: 'test', by: text } },
      );
    // A value of more than 16 characters is shown smaller: nothing else may differ.
    const empty = tagsOf(of('a', '.', '', '').html.replace('font-size:34px', ''));
    fc.assert(
      fc.property(nasty, nasty, nasty, nasty, (device, value, text, label) => {
        const { subject, text: plain, html } = of(`a${device}`, `.${value}`, text, label);
        expect(subject).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\u202e]/u);
        expect(subject.length).toBeLessThanOrEqual(200);
        expect(plain).not.toMatch(/[^\P{Cc}\n]|\p{Cs}/u);
        expect(tagsOf(html.replace(/font-size:(?:34|20)px/, ''))).toEqual(empty);
      }),
    );
  });

  it('stay bounded: below the 102 KB from which on Gmail cuts', () => {
    for (const unit of ["'", '"', '&', '😀', '\ud800', 'x<']) {
      const long = unit.repeat(5000);
      const labels = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`${index}${long}`, long]));
      const replaces = Array.from({ length: 100 }, () => ({ subject: long, level: 'info' as const, at: START }));
      const factsOf = (alert: Alert) => ({ ...facts(alert), description: long, runbook: long, condition: long, unit: long });
      const alert = alertOf({ id: long, device: long, rule: long, value: 1, summary: long, labels });
      const item = { ...itemOf('firing'), alert, reason: long };
      const chart = { contentId: long, describes: long };
      const { subject, text, html } = rendered(contentOf({ kind: 'test', by: long }, [item]), { replaces, factsOf, chart });
      expect(subject.length).toBeLessThanOrEqual(200);
      expect(text.length).toBeLessThan(20_000);
      expect(Buffer.byteLength(html)).toBeLessThan(100_000);
    }
  });
});

describe('durations', () => {
  it.each([
    [90_000, '1m30s'],
    [(4 * HOUR) / 1000 + 3000, '4h'],
    [(53 * HOUR) / 1000 + 3000, '2d5h'],
  ])('%d ms is told as %s', (ms, shown) => {
    const at = START + 10 * MINUTE + ms * 1000;
    expect(message('still', {}, { cause: reminder, input: { at } }).subject).toContain(`, ${shown}`);
  });
});
