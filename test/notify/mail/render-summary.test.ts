import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Alert, Backlog } from '../../../src/domain/alert.ts';
import { factsOf } from '../../../src/notify/mail/facts.ts';
import { type RenderInput, render, subjectOf } from '../../../src/notify/mail/render.ts';
import { directory, rule, TransitionLog } from '../fixtures.ts';

function summary(
  alerts: readonly (Partial<Alert> & { id: string })[],
  more: Partial<Backlog> = {},
  input: Partial<Pick<RenderInput, 'replaces' | 'publicUrl'>> = {},
) {
  const log = new TransitionLog();
  for (const alert of alerts) log.late(alert.state === 'resolved' ? 'resolved' : 'firing', alert);
  const ids = alerts.map(({ id }) => id);
  const transition = { ...log.backlog(ids, more), receivedAt: Date.UTC(2026, 0, 2, 5, 15, 0) * 1000 };
  const facts = factsOf(transition.alert, rule, directory);
  const rendered = render({
    kind: 'backlog',
    transition,
    facts,
    factsOf: (alert) => factsOf(alert, alert.rule === rule.id ? rule : undefined, directory),
    replaces: [],
    publicUrl: 'https://tocsin.example.org/',
    ...input,
  });
  expect(rendered.subject).toBe(subjectOf({ kind: 'backlog', transition, facts }));
  return rendered;
}

const MINUTE = 60_000_000;
const START = Date.UTC(2026, 0, 2, 3, 4, 5) * 1000;
const door = { id: 'door', rule: 'door-open', level: 'info', state: 'resolved', value: true, summary: 'The door was open' } as const;
const hot = { id: 'hot', level: 'warning' } as const;
const midnight = { id: 'power', rule: 'power', level: 'critical', state: 'resolved', value: null, summary: '' } as const;

describe('the summary of a backlog', () => {
  const subjects: [name: string, alerts: (Partial<Alert> & { id: string })[], more: Partial<Backlog>, subject: string][] = [
    [
      'one of three that still fires',
      [door, hot, midnight],
      {},
      '[WARNING] fridge-01 sent 2h10m of readings late: 3 alerts, 1 still firing',
    ],
    ['nothing that still fires', [door, midnight], {}, '[RESOLVED] fridge-01 sent 2h10m of readings late: 2 alerts, none still firing'],
    ['one alert', [hot], {}, '[WARNING] fridge-01 sent 2h10m of readings late: 1 alert, still firing'],
    ['one that is over', [door], {}, '[RESOLVED] fridge-01 sent 2h10m of readings late: 1 alert, over'],
    ['more than are listed', [hot], { more: 4 }, '[WARNING] fridge-01 sent 2h10m of readings late: 1 alert and 4 more, 1 still firing'],
    ['some minutes', [hot], { to: START + 754_000_000 }, '[WARNING] fridge-01 sent 12m34s of readings late: 1 alert, still firing'],
    [
      'hours and a few seconds',
      [hot],
      { to: START + 7_834_000_000 },
      '[WARNING] fridge-01 sent 2h11m of readings late: 1 alert, still firing',
    ],
    ['one moment', [hot], { to: START }, '[WARNING] fridge-01 sent readings late: 1 alert, still firing'],
    ['a line break in a name', [hot], { device: 'f\r\nBcc: x', to: START }, '[WARNING] f Bcc: x sent readings late: 1 alert, still firing'],
  ];
  it.each(subjects)('has the subject of %s', (_name, alerts, more, subject) => {
    expect(summary(alerts, more).subject).toBe(subject);
  });

  it('tells what happened and one line an alert: what still fires first, the worst of it at the top', () => {
    const long = { ...midnight, resolvedAt: START + 24 * 60 * MINUTE };
    const worst = { id: 'worst', rule: 'frozen', value: -3, flags: ['retrospective'] } as const;
    expect(summary([door, long, hot, worst]).text).toBe(`fridge-01 sent 2h10m of readings late: 4 alerts, 2 still firing
fridge-01 was unreachable or kept its readings back: its readings from 2026-01-02 03:04:05 to 05:14:05 UTC reached us late, the last of them by 2026-01-02 05:15:00 UTC. What they set off is told here in one message.

- frozen (critical) from 2026-01-02 03:14:05 UTC, still firing, last value -3: Fridge 1 is at 9.3 °C
- fridge-warm (warning) from 2026-01-02 03:14:05 UTC, still firing, last value 9.3 °C: Fridge 1 is at 9.3 °C
- door-open (info) from 2026-01-02 03:14:05 to 03:24:05 UTC, last value true: The door was open
- power (critical) from 2026-01-02 03:14:05 UTC to 2026-01-03 03:04:05 UTC

Alerts: https://tocsin.example.org/
`);
  });

  it('says on what an alert is where that is not the device', () => {
    const { text } = summary([hot, { id: 'group', device: 'berlin', group: 'site=berlin' }, { id: 'other', device: 'fridge-02' }]);
    expect(text).toContain('- fridge-warm on group site=berlin (critical)');
    expect(text).toContain('- fridge-warm on fridge-02 (critical)');
    expect(text).toContain('- fridge-warm (warning)');
  });

  it('lists twenty and counts the rest', () => {
    const many = Array.from({ length: 30 }, (_, index) => ({ id: `a${index}`, rule: `rule-${index}` }));
    const { text, html } = summary(many, { more: 5 });
    expect(text.match(/^- /gm)).toHaveLength(20);
    expect(text).toContain('\nand 15 more\n');
    expect(html.match(/<tr>/g)).toHaveLength(20);
    expect(html).toContain('and 15 more');
  });

  it('links each alert where there is an address, and none where there is not', () => {
    expect(summary([hot, door]).html.match(/<a href="https:\/\/tocsin\.example\.org\/\?alert=(?:hot|door)">/g)).toHaveLength(2);
    expect(summary([hot], {}, { publicUrl: null }).html).not.toContain('<a ');
  });

  it('tells of what it stands in for', () => {
    const replaces = [{ subject: '[CRITICAL] fridge-warm on fridge-01: 9 °C', level: 'critical' as const, at: START }];
    const { text, html } = summary([hot], {}, { replaces });
    for (const shown of [text, html])
      expect(shown).toContain('takes the place of an earlier one not delivered before: [CRITICAL] fridge-warm');
  });

  it('lets no text out of its place, whatever a device says, and stays bounded', () => {
    const nasty = fc.string({
      unit: fc.constantFrom('<', '>', '"', "'", '&', '\r', '\n', '\u0000', '\u2028', '\u202e', '\ud800', 'a', ' ', '😀', 'x'.repeat(300)),
      maxLength: 60,
    });
    const of = (device: string, value: string, text: string, group: string) => {
      const alerts = Array.from({ length: 25 }, (_, index) => ({ id: `a${index}`, rule: text, value, summary: text, group }));
      return summary(alerts, { device });
    };
    const tagsOf = (html: string) => html.match(/<[^>]*>/g)?.filter((tag) => !tag.startsWith('<title'));
    const empty = tagsOf(of('', '', '', '').html);
    fc.assert(
      fc.property(nasty, nasty, nasty, nasty, (device, value, text, group) => {
        const rendered = of(device, value, text, group);
        expect(rendered.subject).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\u202e]/u);
        expect(rendered.subject.length).toBeLessThanOrEqual(200);
        expect(rendered.text).not.toMatch(/[^\P{Cc}\n]|\p{Cs}/u);
        expect(rendered.text.length).toBeLessThan(25_000);
        expect(rendered.html.length).toBeLessThan(200_000);
        expect(tagsOf(rendered.html)).toEqual(empty);
      }),
    );
  });
});
