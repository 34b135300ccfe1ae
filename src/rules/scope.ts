/**
 * The names that a condition may use, for one profile or for devices without one, and the CEL environment that checks
 * and evaluates them. With a profile every name is known and typed; without one, any name may be a metric.
 */
import { Environment } from '@marcbachmann/cel-js';
import { type DeviceDirectory, type MetricType, metricTypesOf, type Profile } from '../domain/device.ts';
import { DeviceFacts } from './frame.ts';

export interface Scope {
  /** Null: devices without a profile. */
  readonly profile: Profile | null;
  /** Null: any name may be a metric. */
  readonly metricTypes: ReadonlyMap<string, MetricType> | null;
  /** Null: any limit may be set, device by device. */
  readonly limitNames: readonly string[] | null;
  /** What is known of the type of each input, by the key under which CEL asks for it. Grows while rules are compiled. */
  readonly types: Map<string, MetricType>;
  /** The labels that make a group; null: the rule is on single devices, whose metrics are the names. */
  readonly group: readonly string[] | null;
  readonly directory: DeviceDirectory;
  readonly environment: Environment;
}

export const DEVICE_FIELDS = ['id', 'name', 'labels'] as const;
/** Names that are no metrics, whatever a profile calls its own; such a metric is reached by `metric('…')`. */
export const BUILT_IN_NAMES: readonly string[] = ['device', 'limits'];
/** Under this prefix a metric of any name is found in the evaluation context. */
export const METRIC_KEY_PREFIX = 'metric:';

const CEL_TYPES: Record<MetricType, string> = { number: 'double', boolean: 'bool', text: 'string' };
const IDENTIFIER = /^[A-Za-z_][A-Za-z0-9_]*$/;

interface ExpressionNode {
  readonly op?: unknown;
  readonly args?: unknown;
}
interface MacroChecker {
  getType(name: string): unknown;
}
interface MacroContext {
  getValue(key: string): unknown;
}

/** @param group for rules on groups: the labels they are made by; the names are then those of aggregates */
export function createScope(profile: Profile | null, directory: DeviceDirectory, group: readonly string[] | null = null): Scope {
  const metricTypes = profile === null ? null : metricTypesOf(profile);
  const types = new Map(metricTypes ?? []);
  const environment = new Environment({ unlistedVariablesAreDyn: metricTypes === null })
    .registerType('Device', { ctor: DeviceFacts, fields: { id: 'string', name: 'string', labels: 'map<string, string>' } })
    .registerVariable('device', 'Device')
    .registerVariable('limits', 'map<string, double>');
  registerArithmetic(environment);
  registerMetricMacro(environment, types);
  for (const [name, type] of metricTypes ?? []) {
    if (isPlainName(name) && !environment.hasVariable(name)) registerMetric(environment, name, CEL_TYPES[type]);
  }
  const limitNames = profile === null ? (group === null ? null : []) : Object.keys(profile.limits);
  return { profile, metricTypes, limitNames, types, group, directory, environment };
}

export const isPlainName = (name: string): boolean => IDENTIFIER.test(name) && !BUILT_IN_NAMES.includes(name);

/** A metric may be called like a word that CEL reserves; then only `metric('…')` reaches it. */
function registerMetric(environment: Environment, name: string, type: string): void {
  try {
    environment.registerVariable(name, type);
  } catch (error) {
    if (!(error instanceof Error && /reserved|registered/.test(error.message))) throw error;
  }
}

/**
 * Literals are made doubles before this is asked; whole numbers come only from functions such as size(), and mix freely.
 * CEL itself has no remainder of doubles.
 */
function registerArithmetic(environment: Environment): void {
  const operators: Record<string, (left: number, right: number) => number> = {
    '+': (left, right) => left + right,
    '-': (left, right) => left - right,
    '*': (left, right) => left * right,
    '/': (left, right) => left / right,
    '%': (left, right) => left % right,
  };
  for (const [symbol, apply] of Object.entries(operators)) {
    const handler = (left: unknown, right: unknown): number => apply(Number(left), Number(right));
    environment.registerOperator(`int ${symbol} double: double`, handler);
    environment.registerOperator(`double ${symbol} int: double`, handler);
  }
  environment.registerOperator('double % double: double', (left: number, right: number) => left % right);
  environment.registerOperator('int == double', (left: unknown, right: unknown) => Number(left) === Number(right));
}

/** `metric('AM2301.Temperature')`: a macro, because its type is that of the metric, or other input, named. */
function registerMetricMacro(environment: Environment, types: ReadonlyMap<string, MetricType>): void {
  environment.registerFunction('metric(ast): dyn', ({ args }: { args: readonly ExpressionNode[] }) => {
    const name = String(args[0]?.args);
    const type = types.get(name);
    return {
      async: false,
      typeCheck: (checker: MacroChecker) => checker.getType(type === undefined ? 'dyn' : CEL_TYPES[type]),
      evaluate: (_evaluator: unknown, _macro: unknown, context: MacroContext) => context.getValue(METRIC_KEY_PREFIX + name),
    };
  });
}

export function scopeOf(scopes: ReadonlyMap<string | null, Scope>, profile: string | null): Scope {
  const scope = scopes.get(profile);
  if (scope === undefined) throw new Error(`no scope was made for the profile ${profile}`);
  return scope;
}
