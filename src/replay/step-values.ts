/**
 * The values of a rule test as people write them, one a step:
 *
 *     5   true   "eco"         a value; text of digits is a number, "true" and "false" are truth values
 *     "9 x14"                  the same, fourteen times; with "- x3" and "gap x3" too
 *     "5..9 x5"                from 5 to 9 in five even steps, both included
 *     null   "-"               a message without a value of this metric
 *     "gap"                    no message at all, whatever the other metrics say
 *     {value: "gap", times: 2} any value as it stands, for what looks like one of the above
 */
import type { Value } from '../domain/reading.ts';

export const GAP = Symbol('no message');
/** Null: no value of this metric. */
export type Step = Value | null | typeof GAP;

export interface StepProblem {
  /** Where in the list. */
  readonly index: number;
  readonly message: string;
  readonly hint?: string;
}

export const STEPS_MAX = 100_000;
const RAMP = /^(-?\d+(?:\.\d+)?)\s*\.\.\s*(-?\d+(?:\.\d+)?)$/;
const TIMES = /^(.*\S)\s+x\s?(\d+)$/s;
const NUMBER = /^-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;

export function expandSteps(list: readonly unknown[]): { steps: Step[]; problems: StepProblem[] } {
  const steps: Step[] = [];
  const problems: StepProblem[] = [];
  for (const [index, entry] of list.entries()) {
    const expanded = expand(entry);
    if ('message' in expanded) problems.push({ index, ...expanded });
    else if (steps.length + expanded.times > STEPS_MAX) {
      problems.push({ index, message: `more than ${STEPS_MAX} values`, hint: 'readings further apart say as much: see every' });
      break;
    } else for (let step = 0; step < expanded.times; step++) steps.push(expanded.at(step));
  }
  return { steps, problems };
}

interface Expanded {
  readonly times: number;
  readonly at: (step: number) => Step;
}

function expand(entry: unknown): Expanded | Omit<StepProblem, 'index'> {
  if (entry === null || typeof entry === 'number' || typeof entry === 'boolean') return once(entry);
  if (typeof entry === 'object') return explicit(entry);
  if (typeof entry !== 'string') return { message: 'expected a value' };
  const [, repeated, count] = TIMES.exec(entry) ?? [];
  const word = (repeated ?? entry).trim();
  const times = count === undefined ? 1 : Number(count);
  if (times === 0) return { message: `${JSON.stringify(entry)} stands for nothing`, hint: 'leave it out' };
  const ramp = RAMP.exec(word);
  if (ramp !== null) return rampOf(entry, { from: Number(ramp[1]), to: Number(ramp[2]), times });
  const value = stepOf(word);
  return { times, at: () => value };
}

function rampOf(entry: string, ramp: { from: number; to: number; times: number }): Expanded | Omit<StepProblem, 'index'> {
  const { from, to, times } = ramp;
  if (times < 2) return { message: `${JSON.stringify(entry)} does not say in how many steps`, hint: `such as "${from}..${to} x5"` };
  // 5.4, not 5.4000000000000004: a test is read and compared by people.
  return { times, at: (step) => Number((from + ((to - from) * step) / (times - 1)).toPrecision(12)) };
}

function explicit(entry: object): Expanded | Omit<StepProblem, 'index'> {
  const fields = new Map<string, unknown>(Object.entries(entry));
  const value = fields.get('value');
  const times = fields.get('times') ?? 1;
  const isValue = typeof value === 'number' || typeof value === 'boolean' || typeof value === 'string';
  const isCount = typeof times === 'number' && Number.isInteger(times) && times > 0;
  const isOther = [...fields.keys()].some((key) => key !== 'value' && key !== 'times');
  if (!isValue || !isCount || isOther)
    return { message: 'expected a value', hint: 'such as 9, "9 x14", "5..9 x5" or {value: gap, times: 2}' };
  return { times, at: () => value };
}

const once = (value: Step): Expanded => ({ times: 1, at: () => value });

function stepOf(word: string): Step {
  if (word === '-' || word === '~' || word === 'null') return null;
  if (word === 'gap') return GAP;
  if (word === 'true' || word === 'false') return word === 'true';
  return NUMBER.test(word) ? Number(word) : word;
}
