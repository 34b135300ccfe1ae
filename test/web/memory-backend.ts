/** The backend over plain arrays: every list is paged, every call is kept, and what ingest does next can be set. */
import type { Backend, IngestReading, IngestResult, Page, PageQuery } from '../../src/web/backend.ts';

const PAGE_SIZE = 2;

function page(items: readonly unknown[], query: PageQuery): Page<unknown> {
  const from = Number(query.cursor ?? 0);
  const to = from + (query.limit ?? PAGE_SIZE);
  return { items: items.slice(from, to), next: to < items.length ? String(to) : null };
}

export class MemoryBackend implements Backend {
  readonly stored: IngestReading[] = [];
  readonly queries: unknown[] = [];
  readonly items: Record<string, unknown>[] = [];
  ready = { ready: true, reasons: [] as string[] };
  ingestNext: (readings: readonly IngestReading[]) => Promise<IngestResult> = async (readings) => ({
    accepted: readings.length,
    rejected: [],
  });

  async #list(query: PageQuery): Promise<Page<unknown>> {
    this.queries.push(query);
    return page(this.items, query);
  }
  devices = (query: PageQuery) => this.#list(query);
  alerts = (query: PageQuery) => this.#list(query);
  readings = (query: PageQuery) => this.#list(query);
  quarantine = (query: PageQuery) => this.#list(query);
  notifications = (query: PageQuery) => this.#list(query);
  rules = (query: PageQuery) => this.#list(query);
  configuration = async (): Promise<unknown> => ({ rules: [] });
  reload = async (): Promise<unknown> => ({ changes: [] });
  device = async (id: string) => this.items.find((item) => item.id === id) ?? null;
  alert = async (id: string) => this.items.find((item) => item.id === id) ?? null;
  explained: object = { rules: [] };
  explain = async (query: unknown): Promise<object> => {
    this.queries.push(query);
    return this.explained;
  };
  journal = async () => ({ id: 'j', bytes: 0 });
  readiness = async () => this.ready;
  metrics = async () => '# HELP a A.\n# TYPE a gauge\na 1\n';
  async ingest(readings: readonly IngestReading[], client: string): Promise<IngestResult> {
    this.queries.push(client);
    const result = await this.ingestNext(readings);
    this.stored.push(...readings);
    return result;
  }
}
