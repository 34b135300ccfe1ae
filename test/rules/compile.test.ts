import { readFile } from 'node:fs/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileRules, type Program } from '../../src/rules/compile.ts';
import { compileCondition } from '../../src/rules/condition.ts';
import { type Cell, createFrame, DeviceFacts, type Frame } from '../../src/rules/frame.ts';
import { Inputs } from '../../src/rules/inputs.ts';
import { parseRules } from '../../src/rules/parse.ts';
import { createScope } from '../../src/rules/scope.ts';
import { directoryOf, listed, metric, profileOf } from '../alerts/scenario.ts';

const compile = (text: string, directory = directoryOf()) => {
  const parsed = parseRules([{ path: 'r.yaml', text }]);
  expect(parsed.problems.map((problem) => problem.render())).toEqual([]);
  const { compiled, problems, warnings } = compileRules(parsed.rules, directory);
  return { compiled, problems: problems.map((problem) => problem.render()), warnings: warnings.map((warning) => warning.render()) };
};
const withWhen = (when: string): string =>
  `rules:\n  - id: warm\n    devices: {profile: vaccine-fridge}\n    levels:\n      warning:\n        when: ${when}\n`;

describe('a condition that does not hold is refused at its exact place', () => {
  const cases: [when: string, problem: string][] = [
    [
      'temprature > 8',
      'r.yaml:6:15: unknown name temprature: the profile vaccine-fridge has no such metric\nhint: did you mean temperature?',
    ],
    [
      '"door && temprature > 8"',
      'r.yaml:6:24: unknown name temprature: the profile vaccine-fridge has no such metric\nhint: did you mean temperature?',
    ],
    ['temperature > limits.temperatur_max', 'r.yaml:6:36: unknown limit temperatur_max\nhint: did you mean temperature_max?'],
    ['device.lables.site == "x"', 'r.yaml:6:22: device has no lables\nhint: did you mean labels?'],
    ['temperature > "warm"', 'r.yaml:6:15: the condition is wrong: no such overload: double > string'],
    ['temperature + 1', 'r.yaml:6:15: when must be true or false, this is a double\nhint: compare it with something: temperature > 8'],
    ['temperature >', 'r.yaml:6:28: the condition is wrong: Unexpected token: EOF'],
    ['"temperature > 8 & door"', 'r.yaml:6:32: the condition is wrong: Unexpected character: &'],
    [
      "avg(temperature, '5') > 8",
      "r.yaml:6:32: the length of the window must be a duration\nhint: write a duration in quotes, such as '5m', '1h30m', '30d'",
    ],
    [
      "metric('pm2.5') > 8",
      'r.yaml:6:22: unknown name pm2.5: the profile vaccine-fridge has no such metric\nhint: there are: temperature, humidity, door, mode',
    ],
    [
      '|\n          temperature > 8 &&\n            (dor || humidity > 3)',
      'r.yaml:8:14: unknown name dor: the profile vaccine-fridge has no such metric\nhint: did you mean door?',
    ],
  ];
  for (const [when, problem] of cases) {
    it(when, () => {
      expect(compile(withWhen(when)).problems).toEqual([problem]);
    });
  }

  it('a summary too, at its rule', () => {
    expect(compile(`${withWhen('door')}    summary: "at {{temprature}}"\n`).problems).toEqual([
      'r.yaml:2:9: summary: {{temprature}}: unknown name temprature: the profile vaccine-fridge has no such metric\nhint: did you mean temperature?',
    ]);
  });
});

describe('which profiles a rule is checked against', () => {
  const any = 'rules: [{id: warm, devices: {id: "x-*"}, levels: {warning: {when: "power > 8"}}}]';

  it('a profile that does not exist', () => {
    expect(compile('rules: [{id: a, devices: {profile: vaccine-frigde}, levels: {warning: {when: "true"}}}]').problems).toEqual([
      'r.yaml:1:14: rule a: there is no profile vaccine-frigde\nhint: did you mean vaccine-fridge?',
    ]);
  });

  it('one that a listed device has must know the names', () => {
    expect(compile(any, directoryOf({ fleet: [listed('x-1')] })).problems).toHaveLength(1);
    expect(compile(any, directoryOf({ fleet: [listed('y-1')] })).problems).toHaveLength(0);
  });

  it('one that is merely not excluded is left out, with a warning', () => {
    const { compiled, warnings } = compile(any);
    expect(compiled[0]?.programFor('vaccine-fridge')).toBeNull();
    expect(compiled[0]?.programFor(null)).not.toBeNull();
    expect(warnings.map((warning) => warning.split('\n')[0])).toEqual([
      'r.yaml:1:14: rule warm is not for devices of the profile vaccine-fridge: unknown name power: the profile vaccine-fridge has no such metric',
      'r.yaml:1:14: rule warm: power cannot be checked for devices without a profile',
    ]);
  });

  it('a name that fits nowhere is refused when every device must have a profile', () => {
    expect(compile(any, directoryOf({ unknown: 'reject' })).problems).toHaveLength(1);
  });
});

it('the shipped rules hold for the vaccine fridge', async () => {
  const path = 'config/rules/cold-chain.yaml';
  const { problems, compiled } = compile(await readFile(path, 'utf8'));
  expect(problems).toEqual([]);
  expect(compiled.map(({ rule }) => rule.id)).toEqual(['fridge-warm', 'fridge-cold', 'fridge-door-open']);
});

describe("a condition's value", () => {
  const profile = profileOf({
    metrics: [metric('a'), metric('b'), metric('open', 'boolean'), metric('mode', 'text'), metric('AM2301.Temperature'), metric('pm2.5')],
  });
  const typed = createScope(profile, directoryOf());
  const dynamic = createScope(null, directoryOf());
  const value = (text: string, values: Record<string, number | boolean | string>, scope = typed): unknown => {
    const inputs = new Inputs();
    const condition = compileCondition({ text, place: { file: 'r.yaml', line: 1, column: 1 } }, scope, inputs, 'when');
    const frame = frameOf(inputs.metrics, values);
    const fast = condition.evaluate(frame);
    expect(condition.evaluateByCel(frame)).toBe(fast);
    return fast;
  };
  const cases: [text: string, values: Record<string, number | boolean | string>, expected: boolean | undefined][] = [
    ['a - 1 > 7', { a: 8.5 }, true],
    ['a + 1 > 7', { a: 5 }, false],
    ['a % 2 == 1', { a: 5 }, true],
    ['a > limits.temperature_max', { a: 9 }, true],
    ['10 / a > 5', { a: 0 }, undefined],
    ['a / b > 5', { a: 0, b: 0 }, undefined],
    ['a > 8', {}, undefined],
    ['a > 8 && b > 8', { a: 5 }, false],
    ['a > 8 || b > 8', { b: 9 }, true],
    ['a > 8 || b > 8', { b: 5 }, undefined],
    ['!(a > 8)', {}, undefined],
    ['open', { open: true }, true],
    ['open == false', { open: true }, false],
    ['mode == "heat"', { mode: 'heat' }, true],
    ['mode.startsWith("he") && a > 1', { mode: 'heat', a: 2 }, true],
    ['a > 8 ? open : false', { a: 9, open: true }, true],
    ['device.id == "fridge-01"', {}, true],
    ['device.labels.site == "berlin"', {}, true],
    ['device.labels.floor == "2"', {}, undefined],
    ['device.labels.site in ["berlin", "paris"]', {}, true],
    ['size(device.id) + 1 == 10', {}, true],
    ['AM2301.Temperature > 8', { 'AM2301.Temperature': 9 }, true],
    ["metric('AM2301.Temperature') > 8", { 'AM2301.Temperature': 9 }, true],
    ["metric('pm2.5') > 8", { 'pm2.5': 9 }, true],
    ['[1, 2, 3].exists(x, x > a)', { a: 2 }, true],
  ];
  for (const [text, values, expected] of cases) {
    it(`${text} with ${JSON.stringify(values)} is ${expected ?? 'unknown'}`, () => {
      expect(value(text, values)).toBe(expected);
      expect(value(text, values, dynamic)).toBe(expected);
    });
  }

  it('a text where a number is needed is unknown, without a profile', () => {
    expect(value('a > 8', { a: 'hot' }, dynamic)).toBeUndefined();
    expect(value('a > b', { a: 'hot', b: 'cold' }, dynamic)).toBe(true);
  });

  it('a value that is too old is unknown', () => {
    const inputs = new Inputs();
    const condition = compileCondition({ text: 'a > 8', place: { file: 'r.yaml', line: 1, column: 1 } }, typed, inputs, 'when');
    const frame = frameOf(inputs.metrics, { a: 9 });
    frame.now = 101;
    expect([condition.evaluate(frame), condition.evaluateByCel(frame)]).toEqual([undefined, undefined]);
  });

  it('the fast path and CEL agree on whatever it takes on', () => {
    const number = fc.letrec<{ number: string }>((tie) => ({
      number: fc.oneof(
        { maxDepth: 3 },
        fc.constantFrom('a', 'b', '0', '1', '2.5', '-3', 'limits.temperature_max', 'limits.none', "metric('pm2.5')"),
        fc
          .tuple(tie('number'), fc.constantFrom('+', '-', '*', '/', '%'), tie('number'))
          .map(([left, op, right]) => `(${left} ${op} ${right})`),
      ),
    })).number;
    const truth = fc.letrec<{ truth: string }>((tie) => ({
      truth: fc.oneof(
        { maxDepth: 3 },
        fc.tuple(number, fc.constantFrom('<', '<=', '>', '>=', '==', '!='), number).map(([left, op, right]) => `${left} ${op} ${right}`),
        fc.constantFrom('open', 'true', 'false', 'device.labels.site == "berlin"', 'device.labels.none == "x"'),
        tie('truth').map((inner) => `!(${inner})`),
        fc.tuple(tie('truth'), fc.constantFrom('&&', '||'), tie('truth')).map(([left, op, right]) => `(${left} ${op} ${right})`),
      ),
    })).truth;
    const values = fc.record(
      {
        a: fc.constantFrom(0, 1, -2.5, 1e308, 'text', true),
        b: fc.double({ noNaN: true, noDefaultInfinity: true }),
        open: fc.boolean(),
        'pm2.5': fc.constantFrom(0, 7),
      },
      { requiredKeys: [] },
    );
    const open = createScope(profileOf({ metrics: [], limits: {} }), directoryOf());
    let fast = 0;
    fc.assert(
      fc.property(truth, values, fc.boolean(), (text, given, isTyped) => {
        const scope = isTyped
          ? createScope(profileOf({ metrics: profile.metrics, limits: { temperature_max: 8, none: 0 } }), directoryOf())
          : dynamic;
        const inputs = new Inputs();
        const condition = compileConditionOrNot(text, scope, inputs);
        if (condition === undefined) return;
        if (condition.isFast) fast += 1;
        // With a profile the decoder keeps texts out of numbers.
        const frame = frameOf(inputs.metrics, isTyped && typeof given.a !== 'number' ? { ...given, a: 1 } : given);
        expect(condition.evaluate(frame)).toBe(condition.evaluateByCel(frame));
      }),
      { numRuns: 400 },
    );
    expect(open.metricTypes).toBeNull();
    expect(fast).toBeGreaterThan(100);
  });
});

/** What the type checker refuses (a text where a number stands) is no subject. */
function compileConditionOrNot(text: string, scope: ReturnType<typeof createScope>, inputs: Inputs) {
  try {
    return compileCondition({ text, place: { file: 'r.yaml', line: 1, column: 1 } }, scope, inputs, 'when');
  } catch (error) {
    if (error instanceof Error && error.message.includes('overload')) return undefined;
    throw error;
  }
}

function frameOf(names: readonly string[], values: Record<string, number | boolean | string | undefined>): Frame {
  const frame = createFrame();
  frame.cells = names.map((name): Cell => ({ name, value: values[name], at: 0, receivedAt: 0, heardAt: 0, windows: null }));
  frame.facts = new DeviceFacts('fridge-01', { site: 'berlin' });
  frame.limits = { temperature_max: 8 };
  frame.maxGapUs = () => 100;
  return frame;
}

it('a gateway that no rule watches is warned of', () => {
  const fleet = [listed('gw', { profile: null }), listed('fridge-01', { dependsOn: 'gw' })];
  const directory = directoryOf({ fleet });
  const warm = 'rules: [{id: warm, devices: {profile: vaccine-fridge}, levels: {warning: {when: "door"}}}';
  const gone = ', {id: gone, devices: {id: gw}, levels: {info: {when: "false"}}, noData: {after: 5m, raise: critical}}';
  expect(compile(`${warm}]`, directory).warnings.map((warning) => warning.split('\n')[0])).toEqual([
    'no rule watches whether gw is silent, and other devices depend on it',
  ]);
  expect(compile(`${warm}${gone}]`, directory).warnings).toEqual([]);
  const unlisted = directoryOf({ fleet: [listed('fridge-01', { dependsOn: 'gw' })] });
  expect(compile(`${warm}${gone}]`, unlisted).warnings.map((warning) => warning.split('\n')[0])).not.toContain(
    'no rule watches whether gw is silent, and other devices depend on it',
  );
});

it('many gateways that no rule watches are told of in few words, and without delay', () => {
  const fleet = Array.from({ length: 3000 }, (_, index) => listed(`fridge-${index}`, { dependsOn: `gateway-${index}` }));
  const { warnings } = compile(
    'rules: [{id: warm, devices: {profile: vaccine-fridge}, levels: {warning: {when: "door"}}}]',
    directoryOf({ fleet }),
  );
  expect(warnings).toHaveLength(21);
  expect(warnings.at(-1)).toContain('no rule watches 2980 more devices that others depend on');
});

it('levels that ask the same share one condition', () => {
  const text =
    'rules: [{id: a, devices: {profile: vaccine-fridge}, levels: {warning: {when: "door", for: 1m}, critical: {when: "door", for: 2m}}}]';
  const program: Program | null | undefined = compile(text).compiled[0]?.programFor('vaccine-fridge');
  expect(program?.conditions).toHaveLength(1);
});
