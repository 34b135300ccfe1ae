import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Alert, Transition } from '../../../src/domain/alert.ts';
import type { MessageKind } from '../../../src/notify/decide.ts';
import { factsOf } from '../../../src/notify/mail/facts.ts';
import { type RenderInput, render } from '../../../src/notify/mail/render.ts';
import { directory, rule, TransitionLog } from '../fixtures.ts';

function message(kind: MessageKind, alert: Partial<Alert> = {}, more: Partial<Transition> = {}, replaces: RenderInput['replaces'] = []) {
  const transition = new TransitionLog().add(kind, { id: 'fridge-warm/fridge-01/7', ...alert }, more);
  return render({
    kind,
    transition,
    facts: factsOf(transition.alert, rule, directory),
    replaces,
    publicUrl: 'https://tocsin.example.org/',
  });
}

describe('a message', () => {
  const subjects: [name: string, kind: MessageKind, alert: Partial<Alert>, subject: string][] = [
    ['firing', 'firing', {}, '[CRITICAL] fridge-warm on fridge-01: 9.3 °C'],
    ['a warning', 'firing', { level: 'warning' }, '[WARNING] fridge-warm on fridge-01: 9.3 °C'],
    ['resolved', 'resolved', { value: 7.1 }, '[RESOLVED] fridge-warm on fridge-01: 7.1 °C'],
    ['no data', 'no-data', { flags: ['no-data'] }, '[CRITICAL] fridge-warm on fridge-01: no data'],
    ['fired by silence', 'firing', { flags: ['no-data'], level: 'warning' }, '[WARNING] fridge-warm on fridge-01: no data'],
    ['data again', 'no-data', {}, '[CRITICAL] fridge-warm on fridge-01: data again, 9.3 °C'],
    ['no value', 'firing', { value: null }, '[CRITICAL] fridge-warm on fridge-01'],
    ['a long number', 'firing', { value: 9.299999999999999 }, '[CRITICAL] fridge-warm on fridge-01: 9.3 °C'],
    ['a truth', 'firing', { value: true }, '[CRITICAL] fridge-warm on fridge-01: true'],
    ['a line break in a value', 'firing', { value: 'x\r\nBcc: evil@x.org' }, '[CRITICAL] fridge-warm on fridge-01: x Bcc: evil@x.org'],
    ['a text that turns its direction', 'firing', { value: 'a\u202Eb\u0000c' }, '[CRITICAL] fridge-warm on fridge-01: a b c'],
    ['a device unknown to the fleet, by the rule', 'firing', { device: 'f9' }, '[CRITICAL] fridge-warm on f9: 9.3 °C'],
  ];
  it.each(subjects)('has the subject of %s', (_name, kind, alert, subject) => {
    expect(message(kind, alert).subject).toBe(subject);
  });

  it('tells value, limit, condition, since when, device, labels, reason, description and where to look', () => {
    expect(message('firing').text).toBe(`fridge-warm on fridge-01 is critical
Fridge 1 is at 9.3 °C

Value:     9.3 °C
Limit:     temperature_max = 7 °C
Condition: temperature > limits.temperature_max, for 10m
Since:     2026-01-02 03:04:05 UTC
Device:    fridge-01
Rule:      fridge-warm
Labels:    team=pharmacy, site=berlin
Reason:    temperature > 8 held for 10m

Vaccines spoil above 8 °C.
Move them first.

Runbook: https://wiki.example.org/fridges
Alert: https://tocsin.example.org/?alert=fridge-warm%2Ffridge-01%2F7
`);
  });

  it('names a group as one, and knows no device of its name', () => {
    const group = { device: 'fridge-01', group: 'site=berlin' };
    const { subject, text } = message('firing', group);
    expect(subject).toBe('[CRITICAL] fridge-warm on group site=berlin: 9.3 °C');
    expect(text).toContain('fridge-warm on group site=berlin is critical');
    expect(text).toContain('\nGroup:     site=berlin\n');
    expect(text).not.toContain('Device:');
    // The device fridge-01 has a limit of its own: 7.
    expect(text).toContain('temperature_max = 8 °C');
  });

  it('tells how long it fired, what a level was before, and what it stands in for', () => {
    expect(message('resolved').text).toContain('Ended:     2026-01-02 03:24:05 UTC (fired for 10m)');
    expect(message('level', {}, { fromLevel: 'warning' }).text).toContain('went from warning to critical');
  });

  it('of an end that is the first that is heard of it says what had fired, when, and how bad it was', () => {
    const at = Date.UTC(2026, 0, 2, 3, 14, 5) * 1000;
    const earlier = [{ subject: '[CRITICAL] fridge-warm on fridge-01: 9 °C', level: 'critical' as const, at }];
    const { text, html } = message('resolved', { level: 'warning' }, {}, earlier);
    for (const shown of [text, html]) {
      expect(shown).toContain('fridge-warm on fridge-01 was critical and is over');
      expect(shown).toContain(
        'takes the place of an earlier one not delivered before: [CRITICAL] fridge-warm on fridge-01: 9 °C (2026-01-02 03:14:05 UTC)',
      );
    }
    expect(text).toContain('Fired:     2026-01-02 03:14:05 UTC');
  });

  it('finds the unit of the first metric that the condition names', () => {
    const cases: [condition: string, unit: string | null][] = [
      ['temperature > 8', '°C'],
      ['metric("pm2.5") > 8 && temperature > 1', 'µg/m³'],
      ["device.id == 'temperature' && metric('pm2.5') > 8", 'µg/m³'],
      ["avg(temperature, '5m') > 1", '°C'],
      ['door && temperature > 1', null],
      ['something > 1', null],
    ];
    const { alert } = new TransitionLog().add('firing', { id: 'a' });
    const place = { file: '', line: 1, column: 1 };
    for (const [text, unit] of cases) {
      const changed = { ...rule, levels: rule.levels.map((level) => ({ ...level, when: { text, place } })) };
      expect(factsOf(alert, changed, directory).unit, text).toBe(unit);
    }
  });

  it('loads nothing from outside', () => {
    expect(message('firing').html).not.toMatch(/<(?:img|link|script|iframe|style)|url\(/i);
  });

  it('makes a link only of what is one', () => {
    const transition = new TransitionLog().add('firing', { id: 'a' });
    const facts = { ...factsOf(transition.alert, rule, directory), runbook: 'javascript:alert(1)' };
    const { html } = render({ kind: 'firing', transition, facts, replaces: [], publicUrl: null });
    expect(html).not.toContain('<a ');
  });

  it('lets no text out of its place, whatever a device says', () => {
    const nasty = fc.string({
      unit: fc.constantFrom('<', '>', '"', "'", '&', '\r', '\n', '\u0000', '\u2028', '\u202e', '\ud800', 'a', ' ', '😀'),
      maxLength: 60,
    });
    const empty = message('firing', { device: '', rule: 'fridge-warm', value: '', summary: '', labels: { x: '' } }, { reason: '' }).html;
    const tagsOf = (html: string) => html.match(/<[^>]*>/g)?.filter((tag) => !tag.startsWith('<title'));
    fc.assert(
      fc.property(nasty, nasty, nasty, nasty, nasty, (device, value, summary, label, reason) => {
        const { subject, text, html } = message('firing', { device, value, summary, labels: { x: label } }, { reason });
        expect(subject).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\u202e]/u);
        expect(subject.length).toBeLessThanOrEqual(200);
        expect(text).not.toMatch(/[^\P{Cc}\n]|\p{Cs}/u);
        expect(tagsOf(html)).toEqual(tagsOf(empty));
      }),
    );
  });

  it('stays bounded, whatever comes in', () => {
    const long = 'x<'.repeat(5000);
    const labels = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`${long}${index}`, long]));
    const { subject, text, html } = message('firing', { device: long, value: long, summary: long, labels }, { reason: long });
    expect(subject.length).toBeLessThanOrEqual(200);
    expect(text.length).toBeLessThan(20_000);
    expect(html.length).toBeLessThan(80_000);
  });
});
