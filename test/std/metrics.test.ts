import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { counterOf, gaugeOf, histogramOf } from '../../src/std/metrics.ts';

describe('metrics of a part that is made anew', () => {
  it('a counter and a histogram go on, a gauge shows the new part', async () => {
    const registry = new Registry();
    const make = (size: number) => {
      gaugeOf(registry, {
        name: 'size',
        help: 'Size',
        collect() {
          this.set(size);
        },
      });
      return {
        counter: counterOf<'rule'>(registry, { name: 'count_total', help: 'Count', labelNames: ['rule'] }),
        histogram: histogramOf(registry, { name: 'seconds', help: 'Seconds', buckets: [1] }),
      };
    };
    for (const size of [3, 5]) {
      const { counter, histogram } = make(size);
      counter.inc({ rule: 'a' }, size);
      histogram.observe(size);
    }
    const text = await registry.metrics();
    expect(text).toContain('count_total{rule="a"} 8\n');
    expect(text).toContain('seconds_sum 8\n');
    expect(text).toMatch(/^size 5$/m);
    expect(text.match(/^# TYPE/gm)).toHaveLength(3);
  });
});
