/**
 * Metrics of one process with several threads: the main thread's registry holds Node's defaults (event-loop delay with its
 * p99 among them), each thread has a registry of its own, and `/metrics` is their texts joined.
 */
import { collectDefaultMetrics, Registry } from 'prom-client';

export const METRICS_CONTENT_TYPE = Registry.PROMETHEUS_CONTENT_TYPE;

/** Adds Node's defaults. They describe the process: the main thread collects them, and no other. */
export function collectProcessMetrics(registry: Registry): void {
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 10 });
}

interface Family {
  readonly comments: string[];
  readonly samples: string[];
}

/**
 * Joins several threads' texts. A family that two threads have is written once, with the samples of both, as the format
 * demands. The same series on two threads is a programmer's error, and said to be one: Prometheus would refuse the scrape.
 */
export function joinMetrics(texts: readonly string[]): string {
  const families = new Map<string, Family>();
  const series = new Set<string>();
  for (const text of texts) {
    let family: Family | undefined;
    let isNewFamily = false;
    for (const line of text.split('\n')) {
      if (line === '') continue;
      const header = /^# (?:HELP|TYPE) (\S+)/.exec(line);
      if (header !== null) {
        const name = header[1] ?? '';
        if (line.startsWith('# HELP')) {
          isNewFamily = !families.has(name);
          family = families.get(name) ?? { comments: [], samples: [] };
          families.set(name, family);
        }
        if (isNewFamily) family?.comments.push(line);
        continue;
      }
      // A thread that cannot answer just now says so in a comment.
      if (line.startsWith('#')) continue;
      if (family === undefined) throw new Error(`a metrics text begins with a sample: ${line}`);
      const id = line.slice(0, line.lastIndexOf(' '));
      if (series.has(id)) throw new Error(`two threads have the metric ${id}`);
      series.add(id);
      family.samples.push(line);
    }
  }
  return [...families.values()].map(({ comments, samples }) => `${[...comments, ...samples].join('\n')}\n`).join('\n');
}
