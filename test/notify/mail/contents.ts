/** Messages of every kind, as they come about: for tests, and for `gallery.ts`. Times are µs. */
import type { Alert } from '../../../src/domain/alert.ts';
import type { DeviceDirectory } from '../../../src/domain/device.ts';
import type { Rule } from '../../../src/domain/rule.ts';
import type { Cause, Content, Item, News } from '../../../src/notify/content.ts';
import { type AlertFacts, factsOf } from '../../../src/notify/mail/facts.ts';
import { type Rendered, type RenderInput, render } from '../../../src/notify/mail/render.ts';
import { metricOf, profileWith } from '../../devices/profiles.ts';

export const START = Date.UTC(2026, 0, 2, 3, 4, 5) * 1000;
export const MINUTE = 60_000_000;
export const HOUR = 60 * MINUTE;
/** When the messages are decided on, unless a test says otherwise. */
export const NOW = START + 10 * MINUTE;
export const PUBLIC_URL = 'https://tocsin.example.org/';

const place = { file: 'rules.yaml', line: 1, column: 1 };
const level = (name: 'info' | 'warning' | 'critical', text: string, forMs = 600_000) => ({
  level: name,
  when: { text, place },
  forMs,
  clear: null,
  count: null,
  keepFiringForMs: 0,
});
const nothingElse = { place, by: [], noData: null, summary: null, labels: {}, description: null, runbook: null, flapping: null };

export const rule: Rule = {
  ...nothingElse,
  id: 'fridge-warm',
  selector: { profile: 'vaccine-fridge', id: null, labels: {} },
  levels: [level('warning', 'temperature > limits.temperature_max'), level('critical', 'temperature > limits.temperature_max')],
  flapping: { changes: 6, inMs: 1_800_000 },
  description: 'Vaccines spoil above 8 °C.\nMove them first.',
  runbook: 'https://wiki.example.org/fridges',
  labels: { team: 'pharmacy' },
};
export const doorRule: Rule = {
  ...nothingElse,
  id: 'door-open',
  selector: { profile: 'vaccine-fridge', id: null, labels: {} },
  levels: [level('info', 'door')],
};

export const directory: DeviceDirectory = {
  profiles: [
    profileWith('vaccine-fridge', {
      topics: ['sensors/{device}/telemetry'],
      intervalMs: 300_000,
      metrics: [
        metricOf('door', { type: 'boolean' }),
        metricOf('temperature', { unit: '°C' }),
        metricOf('pm2.5', { path: 'pm', unit: 'µg/m³' }),
        metricOf('mode', { type: 'text' }),
      ],
      limits: { temperature_max: 8, temperature_min: 2 },
    }),
  ],
  fleet: [{ id: 'fridge-01', profile: 'vaccine-fridge', labels: { site: 'berlin' }, limits: { temperature_max: 7 }, dependsOn: null }],
  groups: [],
  unknown: 'accept',
};

const RULES = new Map([rule, doorRule].map((known) => [known.id, known]));
export const facts = (alert: Alert): AlertFacts => factsOf(alert, RULES.get(alert.rule), directory);

export function alertOf(given: Partial<Alert> = {}): Alert {
  const isOver = given.state === 'resolved';
  return {
    id: 'fridge-warm/fridge-01/7',
    rule: 'fridge-warm',
    device: 'fridge-01',
    level: 'critical',
    state: 'firing',
    flags: [],
    since: START,
    firedAt: START + 10 * MINUTE,
    resolvedAt: isOver ? START + 20 * MINUTE : null,
    value: 9.3,
    summary: 'Fridge 1 is at 9.3 °C',
    labels: { team: 'pharmacy', site: 'berlin' },
    ...given,
  };
}

export function itemOf(news: News, alert: Partial<Alert> = {}, more: Partial<Item> = {}): Item {
  const state = news === 'resolved' || news === 'ended' ? 'resolved' : 'firing';
  const whole = alertOf({ state, ...alert });
  return { alert: whole, news, fromLevel: null, transition: `${whole.id}/1`, reason: 'temperature > 8 held for 10m', ...more };
}

export const update: Cause = { kind: 'update', group: { rule: 'fridge-warm', device: 'fridge-01' } };
export const contentOf = (cause: Cause, items: readonly Item[], more = 0): Content => ({ cause, items, more });

export const rendered = (content: Content, input: Partial<RenderInput> = {}): Rendered =>
  render({ content, factsOf: facts, replaces: [], publicUrl: PUBLIC_URL, links: null, chart: null, at: NOW, ...input });

const third = (device: string, given: Partial<Alert> = {}): Partial<Alert> => ({
  id: `fridge-warm/${device}/9`,
  device,
  summary: `${device} is at ${given.value ?? 9.3} °C`,
  ...given,
});

/** `count` alerts of several rules on as many devices, most of them firing. */
export function crowd(count: number, news: News = 'firing'): Item[] {
  const rules = ['fridge-offline', 'fridge-warm', 'door-open', 'battery-low'];
  const levels = ['critical', 'warning', 'warning', 'info'] as const;
  return Array.from({ length: count }, (_, i) => {
    const isOver = i % 11 === 10;
    return itemOf(isOver ? 'resolved' : news, {
      id: `crowd/${i}`,
      rule: rules[i % 4] ?? '',
      level: levels[i % 4] ?? 'info',
      device: `fridge-${String(i + 1).padStart(3, '0')}`,
      value: i % 4 === 1 ? 8 + (i % 30) / 10 : null,
      summary: i % 4 === 1 ? `Fridge ${i + 1} is at ${8 + (i % 30) / 10} °C` : `Fridge ${i + 1} has sent nothing for 15m`,
      labels: { gateway: 'gw-1' },
      firedAt: START + i * 1_000_000,
    });
  });
}

const storm = (phase: 'begun' | 'goes-on' | 'over', total: number, firing: number): Cause => ({
  kind: 'storm',
  phase,
  since: START,
  explanation: { name: 'gateway', value: 'gw-1', count: Math.round(total * 0.97) },
  total,
  firing,
});

/** One message of each kind, by name. */
export const EVERY_KIND: Readonly<Record<string, { readonly content: Content; readonly at: number }>> = {
  firing: { content: contentOf(update, [itemOf('firing')]), at: NOW },
  'level-up': { content: contentOf(update, [itemOf('level', {}, { fromLevel: 'warning' })]), at: NOW },
  'level-down': { content: contentOf(update, [itemOf('level', { level: 'warning', value: 7.4 }, { fromLevel: 'critical' })]), at: NOW },
  'no-data': { content: contentOf(update, [itemOf('no-data', { flags: ['no-data'] })]), at: NOW + HOUR },
  'data-again': { content: contentOf(update, [itemOf('no-data')]), at: NOW + HOUR },
  resolved: {
    content: contentOf(update, [itemOf('resolved', { value: 6.4, summary: 'Fridge 1 is back at 6.4 °C' })]),
    at: START + 20 * MINUTE,
  },
  flapping: { content: contentOf(update, [itemOf('flapping', { flags: ['flapping'], level: 'warning', value: 7.1 })]), at: NOW },
  calm: { content: contentOf(update, [itemOf('calm', { level: 'warning' })]), at: NOW },
  door: {
    content: contentOf({ kind: 'update', group: {} }, [
      itemOf('firing', { rule: 'door-open', level: 'info', value: true, summary: 'The door of fridge 1 stands open' }),
    ]),
    at: NOW,
  },
  group: {
    content: contentOf({ kind: 'update', group: { rule: 'fridge-warm', 'labels.site': 'berlin' } }, [
      itemOf('firing', third('fridge-02', { value: 12.4 })),
      itemOf('level', third('fridge-01'), { fromLevel: 'warning' }),
      itemOf('firing', third('fridge-03', { level: 'warning', value: 8.2 })),
      itemOf('resolved', third('fridge-04', { value: 6.1 })),
    ]),
    at: NOW,
  },
  reminder: {
    content: contentOf({ kind: 'reminder', since: NOW, group: { rule: 'fridge-warm', device: 'fridge-01' } }, [itemOf('still')]),
    at: NOW + 4 * HOUR + 3_000_000,
  },
  'reminder-group': {
    content: contentOf({ kind: 'reminder', since: NOW, group: { rule: 'fridge-warm', 'labels.site': 'berlin' } }, [
      itemOf('still', third('fridge-02', { value: 12.4, flags: ['acknowledged'] })),
      itemOf('still', third('fridge-03', { level: 'warning', value: 8.2 })),
    ]),
    at: NOW + 4 * HOUR,
  },
  escalation: {
    content: contentOf({ kind: 'escalation', step: 2, steps: 3, afterMs: 1_800_000 }, [itemOf('still')]),
    at: NOW + 30 * MINUTE,
  },
  backlog: {
    content: contentOf({ kind: 'backlog', device: 'fridge-01', from: START, to: START + 130 * MINUTE }, [
      itemOf('firing', { id: 'hot', level: 'warning' }),
      itemOf('ended', { id: 'power', rule: 'power-cut', value: null, summary: 'Fridge 1 ran on its battery' }),
      itemOf('ended', { id: 'door', rule: 'door-open', level: 'info', value: true, summary: 'The door was open' }),
    ]),
    at: START + 3 * HOUR,
  },
  'mute-end': {
    content: contentOf(
      { kind: 'mute-end', mute: 'silence', name: 'Door seal is being replaced', by: 'anna', from: START, to: START + 2 * HOUR },
      [
        itemOf('still', third('fridge-02', { value: 12.4 })),
        itemOf('ended', third('fridge-01', { value: 6.4 })),
        itemOf('ended', third('fridge-04', { level: 'warning', value: 6.1 })),
      ],
    ),
    at: START + 2 * HOUR,
  },
  'mute-end-one': {
    content: contentOf({ kind: 'mute-end', mute: 'schedule', name: 'nights', by: null, from: START - 6 * HOUR, to: START + 2 * HOUR }, [
      itemOf('still'),
    ]),
    at: START + 2 * HOUR,
  },
  'storm-begun': {
    content: contentOf(
      storm('begun', 31, 31),
      crowd(31).map((item) => ({ ...item, alert: { ...item.alert, state: 'firing' as const } })),
    ),
    at: START + MINUTE,
  },
  'storm-goes-on': { content: contentOf(storm('goes-on', 512, 460), crowd(500), 12), at: START + 12 * MINUTE },
  'storm-over': {
    content: contentOf(
      storm('over', 412, 0),
      crowd(412).map(({ alert }) => itemOf('resolved', { ...alert, state: 'resolved', resolvedAt: START + 30 * MINUTE })),
    ),
    at: START + 40 * MINUTE,
  },
  digest: { content: contentOf({ kind: 'digest', held: 37, since: START, perHour: 60 }, crowd(12)), at: START + HOUR },
  test: { content: contentOf({ kind: 'test', by: 'anna' }, [itemOf('firing')]), at: NOW },
};
