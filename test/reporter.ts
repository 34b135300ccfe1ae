/**
 * Ends a run with what a reader needs: every skipped test with its reason, and one line `N passed, N failed, N skipped`.
 * A test file that could not be loaded, a failed hook and an error outside any test count as failures. With TEST_SUMMARY set
 * to a file, the three numbers are written there as well, for .ci/run.
 */
import { writeFileSync } from 'node:fs';
import type { Reporter, SerializedError, TestModule } from 'vitest/node';

export default class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    const counts = { passed: 0, failed: unhandled.length, skipped: 0 };
    /** Reason → the tests skipped for it. */
    const skipped = new Map<string, string[]>();
    for (const module of modules) {
      counts.failed += module.errors().length;
      for (const suite of module.children.allSuites()) counts.failed += suite.errors().length;
      for (const test of module.children.allTests()) {
        const result = test.result();
        if (result.state === 'passed' || result.state === 'failed') counts[result.state] += 1;
        else {
          counts.skipped += 1;
          const reason = (result.state === 'skipped' ? result.note : undefined) ?? 'no reason given';
          skipped.set(reason, [...(skipped.get(reason) ?? []), `${module.relativeModuleId} > ${test.fullName}`]);
        }
      }
    }
    const lines = [...skipped].flatMap(([reason, tests]) => [`skipped: ${reason}`, ...tests.map((test) => `  ${test}`)]);
    if (process.env.TEST_SUMMARY !== undefined)
      writeFileSync(process.env.TEST_SUMMARY, `${counts.passed} ${counts.failed} ${counts.skipped}\n`);
    process.stdout.write(`${[...lines, `${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`].join('\n')}\n`);
  }
}
