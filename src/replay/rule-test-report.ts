/** The outcome of rule tests for whoever asks: a person (text), a CI (JUnit XML), a program (JSON). Pure. */
import { MICROSECONDS_PER_MILLISECOND } from '../domain/reading.ts';
import type { Outcome } from './rule-test-run.ts';
import { type Row, timelineOf } from './rule-test-timeline.ts';
import { timeOf } from './rule-test-times.ts';

export type Style = 'good' | 'bad' | 'faint' | 'strong';
/** Colours a text on a terminal; elsewhere it is the text. */
export type Paint = (text: string, style: Style) => string;
export const PLAIN: Paint = (text) => text;

const STYLE_CODES: Record<Style, number> = { good: 32, bad: 31, faint: 2, strong: 1 };
export const COLOURED: Paint = (text, style) => `\u001b[${STYLE_CODES[style]}m${text}\u001b[0m`;

export const hasPassed = ({ failures }: Outcome): boolean => failures.length === 0;

/** A line a test; of one that failed what was expected, what came instead, and the story. */
export function textOf(outcome: Outcome, paint: Paint): string {
  const { ready, failures } = outcome;
  if (hasPassed(outcome)) return `${paint('ok', 'good')}    ${ready.test.name}\n`;
  const lines = [`${paint('FAIL', 'bad')}  ${paint(ready.test.name, 'strong')}`, ''];
  for (const { place, at, expected, got } of failures) {
    lines.push(
      `  ${place}${at === null ? '' : `  at ${timeOf(at)}`}`,
      `    expected  ${paint(expected, 'good')}`,
      `    got       ${paint(got, 'bad')}`,
      '',
    );
  }
  const startsAt = new Date(ready.test.startsAt / MICROSECONDS_PER_MILLISECOND).toISOString();
  lines.push(paint(`    0m is ${startsAt}`, 'faint'), ...table(timelineOf(outcome), paint), '');
  for (const { rule, count, message } of outcome.ruleErrors)
    lines.push(`  ${rule}: ${count} times a condition could not be evaluated and counted as unknown: ${message}`, '');
  return `${lines.join('\n')}`;
}

export function summaryOf(outcomes: readonly Outcome[], paint: Paint): string {
  const passed = outcomes.filter(hasPassed).length;
  const failed = outcomes.length - passed;
  return `${paint(`${passed} passed`, passed > 0 ? 'good' : 'faint')}, ${paint(`${failed} failed`, failed > 0 ? 'bad' : 'faint')}\n`;
}

/** Columns as wide as what stands in them; the last one is as long as it is. */
function table(rows: readonly Row[], paint: Paint): string[] {
  const widths = [0, 1, 2].map((column) => Math.max(0, ...rows.map(({ cells }) => cells[column]?.length ?? 0)));
  return rows.map(({ kind, cells }) => {
    const padded = cells.map((cell, column) => (kind === 'failure' && column === 2 ? '' : cell.padEnd(widths[column] ?? 0)));
    // An expectation has no subject of its own: its text takes that column too.
    const text = padded
      .filter((_, column) => !(kind === 'failure' && column === 2))
      .join('  ')
      .trimEnd();
    const line = `  ${kind === 'failure' ? '>' : ' '} ${text}`.trimEnd();
    return kind === 'failure' ? paint(line, 'bad') : kind === 'reading' || kind === 'left-out' ? paint(line, 'faint') : line;
  });
}

/** What `--json` prints. Times are seconds from the test's start. */
export function jsonOf(outcomes: readonly Outcome[]): string {
  const passed = outcomes.filter(hasPassed).length;
  const tests = outcomes.map((outcome) => ({
    file: outcome.ready.file,
    line: lineOf(outcome.ready.test.place),
    name: outcome.ready.test.name,
    passed: hasPassed(outcome),
    failures: outcome.failures.map(({ place, at, expected, got }) => ({ place, at: at === null ? null : at / 1e6, expected, got })),
    alerts: outcome.events.flatMap((event) => {
      if (event.kind !== 'transition') return [];
      const { kind, alert, reason } = event.transition;
      const { rule, device, level, state, flags } = alert;
      return [{ at: event.at / 1e6, kind, rule, device, level, state, flags, reason }];
    }),
    messages: outcome.events.flatMap((event) => {
      if (event.kind !== 'message') return [];
      const { contact, channels, subject, reason } = event.message;
      return [{ at: event.at / 1e6, contact, channel: channels[0] ?? null, subject, reason }];
    }),
  }));
  return `${JSON.stringify({ passed, failed: outcomes.length - passed, tests }, null, 2)}\n`;
}

/** In the form that CI systems read: a suite a file, a case a test. */
export function junitOf(outcomes: readonly Outcome[]): string {
  const files = Map.groupBy(outcomes, ({ ready }) => ready.file);
  const suites = [...files].map(([file, cases]) => {
    const failed = cases.filter((outcome) => !hasPassed(outcome)).length;
    const head = `  <testsuite name="${escapeXml(file)}" tests="${cases.length}" failures="${failed}" errors="0" skipped="0">`;
    return [head, ...cases.map(junitCase), '  </testsuite>'].join('\n');
  });
  const failed = outcomes.filter((outcome) => !hasPassed(outcome)).length;
  const head = `<testsuites name="tocsin" tests="${outcomes.length}" failures="${failed}" errors="0">`;
  return ['<?xml version="1.0" encoding="UTF-8"?>', head, ...suites, '</testsuites>', ''].join('\n');
}

function junitCase(outcome: Outcome): string {
  const { test, file } = outcome.ready;
  const line = lineOf(test.place);
  const head = `    <testcase name="${escapeXml(test.name)}" classname="${escapeXml(file)}" file="${escapeXml(file)}" line="${line}"`;
  const [first] = outcome.failures;
  if (first === undefined) return `${head}/>`;
  const message = `expected ${first.expected}; got ${first.got}`;
  return [
    `${head}>`,
    `      <failure message="${escapeXml(message)}" type="expectation">${escapeXml(textOf(outcome, PLAIN))}</failure>`,
    '    </testcase>',
  ].join('\n');
}

const lineOf = (place: string): number => Number(/:(\d+):\d+$/.exec(place)?.[1] ?? 1);

const ESCAPES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&apos;' };
/** What XML 1.0 cannot hold at all, escaped or not, becomes a replacement character. */
const escapeXml = (text: string): string =>
  text
    .toWellFormed()
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '\ufffd')
    .replace(/[&<>"']/g, (character) => ESCAPES[character] ?? character);
