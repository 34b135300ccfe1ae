import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Alert } from '../../../src/domain/alert.ts';
import type { Cause, Item, News } from '../../../src/notify/content.ts';
import { subjectOf } from '../../../src/notify/mail/render.ts';
import { contentOf, crowd, doorRule, facts, HOUR, itemOf, MINUTE, NOW, rendered, START, update } from './contents.ts';

const fridge = (n: number, news: News = 'firing', alert: Partial<Alert> = {}): Item =>
  itemOf(news, { id: `fridge-warm/fridge-0${n}/1`, device: `fridge-0${n}`, ...alert });
const door = (news: News = 'firing'): Item =>
  itemOf(news, { id: 'door', rule: 'door-open', level: 'info', value: true, summary: 'The door was open' });
const berlin = { rule: 'fridge-warm', 'labels.site': 'berlin' };
const updateOf = (group: Record<string, string>): Cause => ({ kind: 'update', group });

describe('the subject of a message about several alerts', () => {
  const storm = (phase: 'begun' | 'goes-on' | 'over', firing: number, explained = true): Cause => ({
    kind: 'storm',
    phase,
    since: START,
    explanation: explained ? { name: 'gateway', value: 'gw-1', count: 400 } : null,
    total: 412,
    firing,
  });
  const three = [fridge(1), fridge(2), fridge(3)];
  const silence: Cause = { kind: 'mute-end', mute: 'silence', name: 'Door seal', by: 'anna', from: START, to: NOW };
  it.each<[name: string, cause: Cause, items: Item[], more: number, subject: string]>([
    ['a group', updateOf(berlin), three, 0, '[CRITICAL] 3 alerts: fridge-warm (site=berlin)'],
    ['a group by device', updateOf({ device: 'fridge-01' }), [fridge(1), door()], 0, '[CRITICAL] 2 alerts: on fridge-01'],
    [
      'a group by site',
      updateOf({ 'labels.site': 'berlin', level: 'info' }),
      [fridge(1), { ...door(), alert: { ...door().alert, device: 'x' } }],
      0,
      '[CRITICAL] 2 alerts: site=berlin',
    ],
    ['everything as one group', updateOf({}), [fridge(2), door()], 0, '[CRITICAL] 2 alerts: fridge-warm and door-open'],
    ['of one rule', updateOf({}), three, 0, '[CRITICAL] 3 alerts: fridge-warm'],
    ['more than are listed', updateOf(berlin), three, 9, '[CRITICAL] 12 alerts: fridge-warm (site=berlin)'],
    ['a label that is missing', updateOf({ 'labels.site': '' }), three, 0, '[CRITICAL] 3 alerts: fridge-warm'],
    [
      'what is over in part',
      updateOf(berlin),
      [fridge(1, 'firing', { level: 'warning' }), fridge(2, 'resolved')],
      0,
      '[WARNING] 1 firing, 1 resolved: fridge-warm (site=berlin)',
    ],
    ['what is over', updateOf(berlin), [fridge(1, 'resolved'), fridge(2, 'resolved')], 0, '[RESOLVED] 2 alerts: fridge-warm (site=berlin)'],
    ['a reminder', { kind: 'reminder', since: NOW, group: berlin }, three, 0, '[CRITICAL] 3 alerts for 4h: fridge-warm (site=berlin)'],
    [
      'an escalation',
      { kind: 'escalation', step: 1, steps: 1, afterMs: 600_000 },
      three,
      0,
      '[CRITICAL] 3 alerts unacknowledged for 10m: fridge-warm',
    ],
    [
      'a silence',
      silence,
      [fridge(1, 'still'), fridge(2, 'ended'), fridge(3, 'ended')],
      0,
      '[CRITICAL] 1 of 3 still firing: fridge-warm, silence over',
    ],
    [
      'a silence in which all went',
      silence,
      [fridge(1, 'ended'), fridge(2, 'ended')],
      3,
      '[RESOLVED] 5 alerts came and went: fridge-warm, silence over',
    ],
    ['a storm', storm('begun', 412), three, 409, '[STORM] 412 alerts, 400 with gateway=gw-1'],
    ['a storm that nothing explains', storm('begun', 412, false), three, 409, '[STORM] 412 alerts'],
    ['a storm that goes on', storm('goes-on', 380), three, 409, '[STORM] 380 of 412 firing, 400 with gateway=gw-1'],
    ['the end of a storm', storm('over', 0), three, 409, '[STORM OVER] 412 alerts, 400 with gateway=gw-1'],
    ['an end that leaves some', storm('over', 12), three, 409, '[STORM OVER] 12 of 412 alerts still firing, 400 with gateway=gw-1'],
    ['a storm of one', storm('begun', 1, false), [fridge(1)], 0, '[STORM] 412 alerts'],
    [
      'a digest',
      { kind: 'digest', held: 37, since: START, perHour: 60 },
      [...three, door('ended')],
      0,
      '[DIGEST] 37 messages held back: 4 alerts, 3 still firing',
    ],
    ['a test', { kind: 'test', by: 'anna' }, three, 0, '[TEST] 3 alerts: fridge-warm'],
    ['a line break in a name', updateOf({ rule: 'a\r\nBcc: x' }), three, 0, '[CRITICAL] 3 alerts: a Bcc: x'],
  ])('is that of %s', (_name, cause, items, more, subject) => {
    expect(subjectOf(contentOf(cause, items, more), facts, NOW + 4 * HOUR)).toBe(subject);
  });

  it('of a storm says what is common to all', () => {
    const cause = (name: string, value: string): Cause => ({
      kind: 'storm',
      phase: 'begun',
      since: START,
      explanation: { name, value, count: 3 },
      total: 3,
      firing: 3,
    });
    expect(subjectOf(contentOf(cause('rule', 'fridge-warm'), three), facts)).toBe('[STORM] 3 alerts, all of the rule fridge-warm');
    expect(subjectOf(contentOf(cause('labels.site', 'berlin'), three), facts)).toBe('[STORM] 3 alerts, all with site=berlin');
  });
});

describe('the summary of a backlog', () => {
  const power = (end: number): Item =>
    itemOf('ended', { id: 'power', rule: 'power', value: null, summary: '', firedAt: START + 10 * MINUTE, resolvedAt: end });
  const hot = itemOf('firing', { id: 'hot', level: 'warning' });
  const backlog = (to = START + 130 * MINUTE, device = 'fridge-01'): Cause => ({ kind: 'backlog', device, from: START, to });
  it.each<[name: string, cause: Cause, items: Item[], more: number, subject: string]>([
    [
      'one of three that still fires',
      backlog(),
      [hot, door('ended'), power(NOW)],
      0,
      '[WARNING] fridge-01 sent 2h10m of readings late: 3 alerts, 1 still firing',
    ],
    [
      'nothing that still fires',
      backlog(),
      [door('ended'), power(NOW)],
      0,
      '[RESOLVED] fridge-01 sent 2h10m of readings late: 2 alerts, none still firing',
    ],
    ['one alert', backlog(), [hot], 0, '[WARNING] fridge-01 sent 2h10m of readings late: 1 alert, still firing'],
    ['one that is over', backlog(), [door('ended')], 0, '[RESOLVED] fridge-01 sent 2h10m of readings late: 1 alert, over'],
    ['more than are listed', backlog(), [hot], 4, '[WARNING] fridge-01 sent 2h10m of readings late: 1 alert and 4 more, 1 still firing'],
    ['some minutes', backlog(START + 754_000_000), [hot], 0, '[WARNING] fridge-01 sent 12m34s of readings late: 1 alert, still firing'],
    [
      'hours and seconds',
      backlog(START + 7_834_000_000),
      [hot],
      0,
      '[WARNING] fridge-01 sent 2h11m of readings late: 1 alert, still firing',
    ],
    ['one moment', backlog(START), [hot], 0, '[WARNING] fridge-01 sent readings late: 1 alert, still firing'],
    ['a line break in a name', backlog(START, 'f\r\nBcc: x'), [hot], 0, '[WARNING] f Bcc: x sent readings late: 1 alert, still firing'],
  ])('has the subject of %s', (_name, cause, items, more, subject) => {
    expect(subjectOf(contentOf(cause, items, more), facts)).toBe(subject);
  });

  it('tells what happened and one line an alert: what still fires first, the worst of it at the top', () => {
    const worst = itemOf('firing', { id: 'worst', rule: 'frozen', value: -3 });
    const items = [door('ended'), power(START + 24 * HOUR), hot, worst];
    expect(rendered(contentOf(backlog(), items)).text).toBe(`fridge-01 sent 2h10m of readings late: 4 alerts, 2 still firing
fridge-01 was unreachable or kept its readings back: its readings from 2026-01-02 03:04:05 to 05:14:05 UTC reached us late. What they set off is told here in one message.

- frozen (critical) since 2026-01-02 03:14:05 UTC, last value -3: Fridge 1 is at 9.3 °C
- fridge-warm (warning) since 2026-01-02 03:14:05 UTC, last value 9.3 °C: Fridge 1 is at 9.3 °C
- door-open (info) from 2026-01-02 03:14:05 to 03:24:05 UTC, last value true: The door was open
- power (critical) from 2026-01-02 03:14:05 UTC to 2026-01-03 03:04:05 UTC

Alerts: https://tocsin.example.org/
`);
  });

  it('says on what an alert is where that is not the device', () => {
    const items = [
      hot,
      itemOf('firing', { id: 'g', device: 'berlin', group: 'site=berlin' }),
      itemOf('firing', { id: 'o', device: 'fridge-02' }),
    ];
    const { text } = rendered(contentOf(backlog(), items));
    expect(text).toContain('- fridge-warm on group site=berlin (critical)');
    expect(text).toContain('- fridge-warm on fridge-02 (critical)');
    expect(text).toContain('- fridge-warm (warning)');
  });
});

describe('a list of alerts', () => {
  it('says what is new about each, what it was, and what is known besides', () => {
    const items = [
      fridge(1, 'still', { flags: ['acknowledged'] }),
      fridge(2, 'level'),
      fridge(3, 'no-data', { flags: ['no-data'] }),
      fridge(4, 'no-data'),
      fridge(5, 'calm'),
      fridge(6, 'flapping'),
    ].map((item) => ({ ...item, fromLevel: item.news === 'level' ? ('warning' as const) : null }));
    const { text } = rendered(contentOf(updateOf(berlin), items));
    for (const [device, said] of [
      ['fridge-01', 'from 2026-01-02 03:14:05 UTC, still firing, acknowledged'],
      ['fridge-02', 'since 2026-01-02 03:14:05 UTC, was warning'],
      ['fridge-03', 'still firing, no data'],
      ['fridge-04', 'still firing, data again'],
      ['fridge-05', 'still firing, no longer flapping'],
      ['fridge-06', 'still firing, flapping'],
    ]) {
      expect(text.split('\n').find((line) => line.startsWith(`- ${device} (critical) `))).toContain(`${said}, last value 9.3 °C`);
    }
  });

  it('tells what to do where it is the same for all, and not where it is not', () => {
    expect(rendered(contentOf(updateOf(berlin), [fridge(1), fridge(2)])).text).toMatch(/Move them first\.\n\nAlerts: .*\nRunbook: https/);
    expect(rendered(contentOf(updateOf({}), [fridge(1), door()])).text).not.toMatch(/Move them first|Runbook/);
  });

  it('lists fifty and counts the rest by rule, with 500 alerts too', () => {
    const { text, html } = rendered(contentOf(updateOf({ 'labels.gateway': 'gw-1' }), crowd(500), 30));
    expect(text.match(/^- fridge-offline on /gm)).toHaveLength(50);
    expect(text).toContain('\nBeyond these 50, by rule:\n- fridge-warm: 114 warning, 11 over\n');
    expect(text).toContain('- fridge-offline: 64 critical, 11 over\n');
    expect(text).toContain('\nand 30 more\n');
    expect(html.match(/<tr><td class="ink rule"/g)).toHaveLength(50);
    for (const shown of ['Beyond these 50, by rule:', 'fridge-offline: 64 critical, 11 over', 'and 30 more']) expect(html).toContain(shown);
    expect(Buffer.byteLength(html)).toBeLessThan(100_000);
    expect(text.split('\n').length).toBeLessThan(80);
  });

  it('of a storm tells the rules first, and then few alerts', () => {
    const cause: Cause = {
      kind: 'storm',
      phase: 'begun',
      since: START,
      explanation: { name: 'gateway', value: 'gw-1', count: 500 },
      total: 512,
      firing: 460,
    };
    const { text, html } = rendered(contentOf(cause, crowd(500), 12));
    expect(text).toMatch(
      /Look at gateway=gw-1 first: it is common to 500 of them\.\n\nBy rule:\n- fridge-offline: 114 critical, 11 over\n/,
    );
    expect(text.match(/^- fridge-offline on /gm)).toHaveLength(15);
    expect(text).toContain('\nand 497 more\n');
    expect(html).toContain('By rule:');
  });

  it('links each alert where there is an address, and none where there is not', () => {
    const content = contentOf(updateOf({}), [fridge(1), door()]);
    expect(
      rendered(content).html.match(/href="https:\/\/tocsin\.example\.org\/\?alert=(?:door|fridge-warm%2Ffridge-01%2F1)"/g),
    ).toHaveLength(2);
    expect(rendered(content, { publicUrl: null }).html).not.toContain('<a ');
  });

  it('tells of what it stands in for', () => {
    const replaces = [{ subject: '[CRITICAL] fridge-warm on fridge-01: 9 °C', level: 'critical' as const, at: START }];
    const { text, html } = rendered(contentOf(updateOf(berlin), [fridge(1), fridge(2)]), { replaces });
    for (const shown of [text, html])
      expect(shown).toContain('takes the place of an earlier one not delivered before: [CRITICAL] fridge-warm');
  });

  it('lets no text out of its place, whatever a device says, and stays below what Gmail cuts', () => {
    const nasty = fc.string({
      unit: fc.constantFrom('<', '>', '"', "'", '&', '\r', '\n', '\u0000', '\u2028', '\u202e', '\ud800', 'a', ' ', '😀', "'".repeat(300)),
      maxLength: 60,
    });
    const kinds: ((name: string) => Cause)[] = [
      (name) => updateOf({ [`labels.${name}`]: name }),
      (name) => ({ kind: 'backlog', device: name, from: START, to: NOW }),
      (name) => ({ kind: 'mute-end', mute: 'silence', name, by: name, from: START, to: NOW }),
      (name) => ({ kind: 'storm', phase: 'begun', since: START, explanation: { name, value: name, count: 5 }, total: 60, firing: 5 }),
    ];
    const allowed = /^<\/?(?:!doctype|html|head|meta|title|style|body|div|table|tr|td|p|span|h1|a|b|br)(?: [a-z-]+(?:="[^"<>]*")?)*>$/;
    fc.assert(
      fc.property(nasty, nasty, nasty, fc.nat(3), (device, value, text, kind) => {
        const items = Array.from({ length: 60 }, (_, i) =>
          itemOf('firing', { id: `${i}${text}`, device, rule: `${text}${i % 40}`, value, summary: text }),
        );
        const mail = rendered(contentOf((kinds[kind] ?? (() => update))(text), items, 3));
        expect(mail.subject).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\u202e]/u);
        expect(mail.subject.length).toBeLessThanOrEqual(200);
        expect(mail.text).not.toMatch(/[^\P{Cc}\n]|\p{Cs}/u);
        expect(Buffer.byteLength(mail.html)).toBeLessThan(100_000);
        const tags = mail.html.replace(/<style>[^<]*<\/style>/, '').match(/<[^>]*>?/g) ?? [];
        for (const tag of tags) expect(tag).toMatch(allowed);
      }),
      { numRuns: 60 },
    );
  });

  it('names nothing twice that the heading says', () => {
    const { text } = rendered(contentOf(updateOf({ device: 'fridge-01' }), [fridge(1), itemOf('firing', { id: 'd', rule: doorRule.id })]));
    expect(text).toContain('\n- door-open (critical)');
  });
});
