/** Tests as a table: each case is named for the sentence of SEMANTICS that it holds us to. */
import { expect, it } from 'vitest';
import type { DeviceDirectory } from '../../src/domain/device.ts';
import { Scenario } from './scenario.ts';

export interface Case {
  readonly says: string;
  readonly rule: string;
  readonly directory?: DeviceDirectory;
  readonly run: (scenario: Scenario) => Scenario;
  /** Lines such as `10m firing warning`. */
  readonly expect: readonly string[];
}

export function table(cases: readonly Case[]): void {
  for (const { says, rule, directory, run, expect: expected } of cases) {
    it(says, () => {
      expect(run(new Scenario(rule, directory === undefined ? {} : { directory })).lines).toEqual(expected);
    });
  }
}
