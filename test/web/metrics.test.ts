import { Counter, Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { collectProcessMetrics, joinMetrics } from '../../src/web/metrics.ts';

async function threadText(labels: Record<string, string>): Promise<string> {
  const registry = new Registry();
  const counter = new Counter({ name: 'tocsin_test_total', help: 'A test.', labelNames: Object.keys(labels), registers: [registry] });
  counter.inc(labels, 2);
  return registry.metrics();
}

async function processText(): Promise<string> {
  const registry = new Registry();
  collectProcessMetrics(registry);
  return registry.metrics();
}

describe('metrics of several threads', () => {
  it('has the event-loop delay at p99 and the Node defaults', async () => {
    const text = await processText();
    expect(text).toMatch(/^nodejs_eventloop_lag_p99_seconds /m);
    expect(text).toMatch(/^process_resident_memory_bytes /m);
  });

  it('writes a family that two threads have once, with the samples of both', async () => {
    const text = joinMetrics([await threadText({ thread: 'a' }), await threadText({ thread: 'b' })]);
    expect(text.match(/# TYPE tocsin_test_total counter/g)).toHaveLength(1);
    expect(text).toContain('tocsin_test_total{thread="a"} 2\ntocsin_test_total{thread="b"} 2\n');
    expect(text.endsWith('\n')).toBe(true);
  });

  it('goes on without a thread that does not answer', async () => {
    expect(joinMetrics(['# history is not running\n', await threadText({ thread: 'a' })])).toContain('tocsin_test_total{thread="a"} 2');
  });

  it('leaves other families alone, and says so when two threads have the same series', async () => {
    const text = await threadText({ thread: 'a' });
    expect(() => joinMetrics([text, text])).toThrow('tocsin_test_total{thread="a"}');
    const defaults = await processText();
    expect(joinMetrics([defaults, text]).match(/^# TYPE/gm)?.length).toBe((defaults.match(/^# TYPE/gm)?.length ?? 0) + 1);
  });
});
