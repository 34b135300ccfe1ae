/** An explanation for a person: the device, then each rule from its conditions down to the messages. Pure. */
import { formatDurationMs } from '../std/quantity.ts';
import { parseTime } from '../web/times.ts';
import type { ConditionData, ExplanationData, LevelData, Part, RuleData } from './explain-form.ts';
import { columns, labelsText, printable, valueText } from './print.ts';
import type { Style } from './style.ts';

type Row = readonly string[];
const MEMBERS_SHOWN_MAX = 10;

interface View {
  readonly style: Style;
  /** When it was asked: ages are counted up to it. */
  readonly at: string;
  readonly limits: ReadonlyMap<string, string>;
}

export function renderExplanation(explanation: ExplanationData, style: Style): string {
  const { at, device, rules, others, remarks } = explanation;
  const limits = new Map((device?.limitList ?? []).map(({ name, origin }) => [`limits.${name}`, origin]));
  const view: View = { style, at, limits };
  const blocks: string[] = [];
  if (device !== null) blocks.push(deviceText(device, view));
  for (const rule of rules) blocks.push(ruleText(rule, view));
  if (others.length > 0) {
    const rows = others.map(({ rule, place, why }) => [rule, why.join('; '), place]);
    blocks.push(`${style.heading('not for it')}\n${columns(rows, '  ')}`);
  }
  if (rules.length + others.length === 0) blocks.push('there are no rules\n');
  if (remarks.length > 0) blocks.push(remarks.map((remark) => `note: ${printable(remark)}\n`).join(''));
  return blocks.join('\n');
}

function deviceText(device: NonNullable<ExplanationData['device']>, view: View): string {
  const { profile, labels, listed, lastSeen, lastAt, readings, limitList, clockSkewMs, latenessMs, held, backlog, dependsOn, online } =
    device;
  const rows: Row[] = [
    ['profile', profile ?? 'none'],
    ['labels', labelsText(labels) || 'none'],
    ['listed', listed ? 'in the fleet file' : 'no'],
    ['last reading', lastSeen === null ? 'never' : `${ago(lastSeen, view)}, measured ${lastAt ?? 'never'}; ${readings} in all`],
    ...(online == null ? [] : [['online', online ? 'yes, as far as it is told' : 'no, it is said to be offline']]),
    ['a value counts for', formatDurationMs(device.maxGapMs)],
    ...limitList.map(({ name, value, origin }, index) => [index === 0 ? 'limits' : '', `${name} ${value}, from ${origin}`]),
  ];
  if (dependsOn !== null) rows.push(['depends on', dependsOn]);
  if (clockSkewMs !== 0) {
    rows.push(['its clock', `is ${formatDurationMs(Math.abs(clockSkewMs))} ${clockSkewMs > 0 ? 'behind' : 'ahead'}, which is allowed for`]);
  }
  if (latenessMs > 0) {
    const now = held === null ? 'none is held now' : `${held.readings} held now, the first until ${held.until}`;
    rows.push(['lateness', `readings are held for ${formatDurationMs(latenessMs)} to be put in order; ${now}`]);
  }
  if (backlog !== null) {
    const { from, to, alerts, until } = backlog;
    rows.push(['backlog', `from ${from} to ${to}, ${alerts} alert(s) in it: told as one summary, at ${until} at the latest`]);
  }
  return `${view.style.heading(printable(device.id))} at ${view.at}\n${columns(rows, '  ')}`;
}

function ruleText(rule: RuleData, view: View): string {
  const { group, members, phase, level, noData, evaluatedAt, levels, silence, timers, notes } = rule;
  const what = [phase === 'ok' ? 'OK' : `${phase} ${level ?? ''}`, ...(noData ? ['no data'] : [])].join(', ');
  const of = group === null ? '' : ` on the group ${group} of ${members} member(s)`;
  const head = `${view.style.heading(printable(rule.rule))}${printable(of)}: ${what}  (${printable(rule.place)})\n`;
  const asked = evaluatedAt === null ? '' : `  as evaluated at ${evaluatedAt}, ${ago(evaluatedAt, view)}\n`;
  const parts = [head, asked, ...levels.map((of) => levelText(of, view))];
  if (silence !== null) {
    const heard = silence.metrics.map(({ name, heardAt }) => [name, heardAt === null ? 'never heard' : `heard ${ago(heardAt, view)}`]);
    parts.push(`  no data  ${printable(silence.says)}\n${columns(heard, '    ')}`);
  }
  if (timers.length > 0) {
    parts.push(
      `  timers\n${columns(
        timers.map(({ dueAt, inMs, says }) => [inOrAgo(inMs), says, dueAt]),
        '    ',
      )}`,
    );
  }
  for (const note of notes) parts.push(`  note: ${printable(note)}\n`);
  parts.push(storyText(rule, view), tellingText(rule));
  return parts.join('');
}

function levelText(level: LevelData, view: View): string {
  const { forMs, count, keepFiringForMs, keptUntil, clear, clearNow } = level;
  const terms = [
    ...(forMs > 0 ? [`for ${formatDurationMs(forMs)}`] : []),
    ...(count === null ? [] : [`count ${count.trues} of ${count.of}, ${count.times} needed: ${tallyText(count.newestFirst)}`]),
    ...(keepFiringForMs > 0
      ? [`keepFiringFor ${formatDurationMs(keepFiringForMs)}${keptUntil === null ? '' : `, until ${keptUntil}`}`]
      : []),
  ];
  const head = `  ${level.level}${level.isCurrent ? ' (the level at present)' : ''}  ${printable(level.says)}\n`;
  const termsLine = terms.length === 0 ? '' : `    ${terms.join('; ')}\n`;
  const clearText = clear === null ? '' : conditionText('clear', clear, clearNow, view);
  return `${head}${termsLine}${conditionText('when', level.when, level.whenNow, view)}${clearText}`;
}

/** The newest last, as one reads. */
const tallyText = (newestFirst: readonly boolean[]): string =>
  newestFirst
    .toReversed()
    .map((value) => (value ? '1' : '0'))
    .join(' ');

function conditionText(name: string, condition: ConditionData, now: LevelData['whenNow'], view: View): string {
  const { place, tree, because } = condition;
  const lines = columns(partRows(tree, 0, view), '      ')
    .split('\n')
    .map(view.style.line)
    .join('\n');
  const changed = now === null ? '' : `      asked now it is ${truth(now.value)}: ${printable(now.because)}\n`;
  return `    ${name}  ${truth(condition.value)}: ${printable(because)}  (${printable(place)})\n${lines}${changed}`;
}

function partRows(part: Part, depth: number, view: View): Row[] {
  const { true: yes, false: no, unknown, none } = view.style.marks;
  const { value, kind } = part;
  if (kind === 'literal') return [];
  const mark = value === null ? unknown : value === true ? yes : value === false ? no : none;
  const shown = value === null ? 'unknown' : valueText(value);
  const row = [`${mark} ${'  '.repeat(depth)}${part.text}`, shown, detailOf(part, view)];
  const members = part.members ?? [];
  const memberRows = members
    .slice(0, MEMBERS_SHOWN_MAX)
    .map(({ device, value: of, why }) => [
      `${of === null ? unknown : none} ${'  '.repeat(depth + 1)}${device}`,
      of === null ? 'unknown' : valueText(of),
      why ?? '',
    ]);
  const rest = (part.memberCount ?? members.length) - memberRows.length;
  if (rest > 0) memberRows.push([`${none} ${'  '.repeat(depth + 1)}and ${rest} more`]);
  return [row, ...memberRows, ...part.parts.flatMap((child) => partRows(child, depth + 1, view))];
}

function detailOf(part: Part, { limits }: View): string {
  const { kind, why, ageMs, windowMs, samples, samplesUnit, bound, memberCount } = part;
  const details: string[] = [];
  if (kind === 'limit') details.push(limits.get(part.text) ?? '');
  if (kind === 'window' && samples !== undefined && windowMs !== undefined) {
    details.push(`${samples} ${samplesUnit ?? ''} in ${formatDurationMs(windowMs)}${bound === undefined ? '' : `, the bound is ${bound}`}`);
  }
  if (kind === 'stale' && windowMs !== undefined) {
    details.push(`${ageMs === undefined ? '' : `its last value was ${old(ageMs)}; `}stale after ${formatDurationMs(windowMs)}`);
  } else if (ageMs !== undefined && why === undefined) details.push(old(ageMs));
  if (memberCount !== undefined) details.push(`of ${memberCount} member(s)`);
  if (why !== undefined) details.push(why);
  return details.filter((text) => text !== '').join('; ');
}

function storyText({ story }: RuleData, view: View): string {
  if (story === null) return '  alerts  none so far\n';
  const { alert, timeline, earlier } = story;
  const which = alert.state === 'resolved' ? `the last one, until ${alert.resolvedAt ?? '?'}` : `open, ${ago(alert.since, view)}`;
  const head = `  alert ${alert.id}  ${[alert.state, ...alert.flags].join(', ')} ${alert.level}: ${printable(alert.summary)}  (${which})\n`;
  const rows = timeline.map(({ at, kind, reason, detail }) => [at, kind, reason ?? detail ?? '']);
  const before = earlier === 0 ? '' : `    … ${earlier} earlier\n`;
  return `${head}${before}${columns(rows, '    ')}`;
}

function tellingText({ ifItFired, phase }: RuleData): string {
  const rows = ifItFired.map(({ level, contacts, reason }) => [
    level,
    contacts.length === 0 ? 'nobody' : contacts.map(({ id, channels }) => `${id} (${channelsText(channels)})`).join(', '),
    reason,
  ]);
  return `  ${phase === 'firing' ? 'at each level it tells' : 'if it fired now it would tell'}\n${columns(rows, '    ')}`;
}

const channelsText = (channels: readonly { readonly kind: string; readonly address: string }[]): string =>
  channels.map(({ kind, address }) => `${kind} ${address}`).join(', else ') || 'no channel';

const truth = (value: boolean | null): string => (value === null ? 'unknown' : String(value));
const old = (ageMs: number): string => (ageMs === 0 ? 'just measured' : `${formatDurationMs(ageMs)} old`);

function ago(time: string, { at }: View): string {
  const ageMs = ((parseTime(at) ?? 0) - (parseTime(time) ?? 0)) / 1000;
  return inOrAgo(-ageMs);
}

function inOrAgo(inMs: number): string {
  if (Math.abs(inMs) < 1000) return 'now';
  return inMs < 0 ? `${formatDurationMs(-inMs)} ago` : `in ${formatDurationMs(inMs)}`;
}
