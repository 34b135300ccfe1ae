/** Subject and heading of a message about several alerts: how many, what they have in common, how they stand. */
import { type Alert, LEVELS, type Level, levelRank } from '../../domain/alert.ts';
import { type Cause, type Content, type Explanation, isFiring } from '../content.ts';
import { countText, durationText, oneLine, RULE_LENGTH_MAX, spanText, timeText, WHERE_LENGTH_MAX, whereOf } from './mail-text.ts';
import { agoText, muteEndText, type Story, type Telling, type Tone } from './story.ts';

type Text = Pick<Story, 'tag' | 'subject' | 'heading' | 'lead'>;

export function tellMany(telling: Telling): Story {
  const { content } = telling;
  const worst = worstFiring(content);
  const tone: Tone = content.cause.kind === 'test' ? 'info' : (worst ?? 'resolved');
  return { tone, tag: tone.toUpperCase(), ...textOf(telling) };
}

function textOf({ content, at }: Telling): Omit<Text, 'tag'> & Partial<Text> {
  const { cause } = content;
  const about = aboutText(content);
  const counted = talliedText(content);
  switch (cause.kind) {
    case 'update':
      return { subject: `${counted}${after(about)}`, heading: `${counted}${after(about)}`, lead: [] };
    case 'reminder': {
      const lasted = firingForText(content, at);
      const still = lasted === null ? `${counted} still firing` : `${counted} for ${lasted}`;
      return {
        subject: `${still}${after(about)}`,
        heading: `${counted} still firing${lasted === null ? '' : ` for ${lasted}`}${after(about)}`,
        lead: [],
      };
    }
    case 'escalation':
      return {
        subject: `${counted} unacknowledged for ${durationText(cause.afterMs)}${after(about)}`,
        heading: `${counted} that nobody has acknowledged${after(about)}`,
        lead: [],
      };
    case 'backlog':
      return backlogText(cause, content);
    case 'mute-end':
      return {
        subject: `${stillText(content)}${after(about)}, ${muteEndText(cause)}`,
        heading: `${capital(muteEndText(cause))}: ${endedText(content)}${after(about)}`,
        lead: [],
      };
    case 'storm':
      return stormText(cause, at);
    case 'digest': {
      const held = `${countText(cause.held, 'message')} held back`;
      return { tag: 'DIGEST', subject: `${held}: ${standingText(content)}`, heading: `${held}: ${standingText(content)}`, lead: [] };
    }
    case 'test':
      return { tag: 'TEST', subject: `${counted}${after(about)}`, heading: `A test: ${counted}${after(about)}`, lead: [] };
  }
}

const after = (text: string): string => (text === '' ? '' : `: ${text}`);
const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
const totalOf = ({ items, more }: Content): number => items.length + more;
const firingOf = ({ items }: Content): Alert[] => items.flatMap(({ alert }) => (isFiring(alert) ? [alert] : []));

function worstFiring(content: Content): Level | null {
  const ranks = firingOf(content).map(({ level }) => levelRank(level));
  return LEVELS[Math.max(0, ...ranks) - 1] ?? null;
}

/** `3 alerts`, or `2 firing, 1 resolved`. */
function talliedText(content: Content): string {
  const firing = firingOf(content).length;
  const over = content.items.length - firing;
  if (firing === 0 || over === 0) return countText(totalOf(content), 'alert');
  return `${firing} firing, ${over} resolved${content.more === 0 ? '' : `, ${content.more} more`}`;
}

/** `1 alert still firing, 2 came and went`. Of a mute's alerts, those that are only counted are over. */
function endedText(content: Content): string {
  const firing = firingOf(content).length;
  const over = totalOf(content) - firing;
  if (firing === 0) return `${countText(over, 'alert')} came and went`;
  return `${countText(firing, 'alert')} still firing${over === 0 ? '' : `, ${over} came and went`}`;
}

/** The same, shorter: `1 of 3 still firing` */
function stillText(content: Content): string {
  const firing = firingOf(content).length;
  const total = totalOf(content);
  return firing === 0 || firing === total ? endedText(content) : `${firing} of ${total} still firing`;
}

/** `3 alerts, 1 still firing` */
function standingText(content: Content): string {
  const { items, more } = content;
  const firing = firingOf(content).length;
  if (totalOf(content) === 1) return firing === 1 ? '1 alert, still firing' : '1 alert, over';
  const count = `${countText(items.length, 'alert')}${more === 0 ? '' : ` and ${more} more`}`;
  return `${count}, ${firing === 0 ? 'none' : firing} still firing`;
}

function firingForText(content: Content, at: number | null): string | null {
  const since = Math.min(...firingOf(content).map(({ firedAt, since }) => firedAt ?? since));
  return at === null || !Number.isFinite(since) || at <= since ? null : durationText((at - since) / 1000);
}

/** What the alerts have in common: `fridge-warm on fridge-01`, `fridge-warm (site=berlin)`; else the rules that they are of. */
export function aboutText(content: Content): string {
  const { rule, device, others } = inCommon(content);
  const labels = others.join(', ');
  if (rule !== null || device !== null) {
    const on = rule === null ? `on ${device}` : device === null ? rule : `${rule} on ${device}`;
    return `${on}${labels === '' ? '' : ` (${labels})`}`;
  }
  return labels !== '' ? labels : rulesText(content);
}

/** As texts that may be shown. The group says it; what it does not say, the alerts do, where all of them are known. */
export function inCommon(content: Content): { rule: string | null; device: string | null; others: string[] } {
  const { cause, items } = content;
  const group = cause.kind === 'update' || cause.kind === 'reminder' ? cause.group : {};
  const sameOf = (name: 'rule' | 'device', textOf: (alert: Alert) => string): string | null => {
    if (Object.hasOwn(group, name)) return oneLine(group[name] ?? '', WHERE_LENGTH_MAX) || null;
    const texts = new Set(items.map(({ alert }) => textOf(alert)));
    return content.more === 0 && texts.size === 1 ? ([...texts][0] ?? null) : null;
  };
  const others = Object.entries(group)
    .filter(([name, value]) => !['rule', 'device', 'level'].includes(name) && value !== '')
    .map(([name, value]) => `${oneLine(name.replace(/^labels\./, ''), 40)}=${oneLine(value, 60)}`);
  return { rule: sameOf('rule', ({ rule }) => oneLine(rule, RULE_LENGTH_MAX)), device: sameOf('device', whereOf), others };
}

/** The rules with most alerts first: `fridge-warm, door-open and 3 other rules`. */
function rulesText({ items, more }: Content): string {
  const counts = Map.groupBy(items, ({ alert }) => alert.rule);
  const names = [...counts].sort(([, a], [, b]) => b.length - a.length).map(([rule]) => oneLine(rule, RULE_LENGTH_MAX));
  const left = names.length - 2;
  if (left <= 0) return names.join(more === 0 ? ' and ' : ', ');
  return `${names.slice(0, 2).join(', ')} and ${countText(left, 'other rule')}`;
}

function backlogText({ device, from, to }: Extract<Cause, { kind: 'backlog' }>, content: Content): Omit<Text, 'tag'> {
  const name = oneLine(device, WHERE_LENGTH_MAX);
  const lateMs = (to - from) / 1000;
  const heading = `${name} sent ${lateMs < 1000 ? 'readings' : `${durationText(lateMs)} of readings`} late: ${standingText(content)}`;
  const story = `${name} was unreachable or kept its readings back: its readings ${spanText(from, to)} reached us late. What they set off is told here in one message.`;
  return { subject: heading, heading, lead: [story] };
}

type StormCause = Extract<Cause, { kind: 'storm' }>;

function stormText(cause: StormCause, at: number | null): Text {
  const { phase, since, explanation, total, firing } = cause;
  const alerts = countText(total, 'alert');
  const explained = explanation === null ? '' : `${countOf(explanation, total)} ${explanationText(explanation)}`;
  const withExplained = (text: string): string => (explained === '' ? text : `${text}, ${explained}`);
  const look =
    explanation === null ? [] : [`Look at ${explanationName(explanation)} first: it is common to ${countOf(explanation, total)} of them.`];
  switch (phase) {
    case 'begun': {
      const lead = `So many alerts since ${timeText(since)} that they are told together, here and in updates, until it is over.`;
      return { tag: 'STORM', subject: withExplained(alerts), heading: `A storm of ${withExplained(alerts)}`, lead: [lead, ...look] };
    }
    case 'goes-on': {
      const standing = `${firing} of ${total} firing`;
      const lead = `The storm of alerts goes on; it began at ${agoText(since, at)}.`;
      return {
        tag: 'STORM',
        subject: withExplained(standing),
        heading: `Storm: ${withExplained(`${firing} of ${alerts} firing`)}`,
        lead: [lead, ...look],
      };
    }
    case 'over': {
      const lasted = at === null || at <= since ? '' : ` It lasted ${durationText((at - since) / 1000)}.`;
      const standing = firing === 0 ? alerts : `${firing} of ${alerts} still firing`;
      const lead = `The storm of alerts that began at ${timeText(since)} is over.${lasted}`;
      return {
        tag: 'STORM OVER',
        subject: withExplained(standing),
        heading: `The storm is over: ${withExplained(standing)}`,
        lead: [lead],
      };
    }
  }
}

const countOf = ({ count }: Explanation, total: number): string => (count >= total ? 'all' : String(count));
const explanationName = ({ name, value }: Explanation): string =>
  name === 'rule' || name === 'device'
    ? `the ${name} ${oneLine(value, 60)}`
    : `${oneLine(name.replace(/^labels\./, ''), 40)}=${oneLine(value, 60)}`;
/** `with gateway=gw-1`, `of the rule fridge-warm` */
const explanationText = (explanation: Explanation): string =>
  `${explanation.name === 'rule' ? 'of' : explanation.name === 'device' ? 'on' : 'with'} ${explanationName(explanation)}`;
