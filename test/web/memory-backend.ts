/**
 * The backend over plain arrays: every list is paged, every call is kept, and what ingest does next can be set. Operations
 * take effect on the items and silences that it holds; links are signed and read as they are in the running program.
 */
import { randomBytes } from 'node:crypto';
import type { Alert, AlertFlag } from '../../src/domain/alert.ts';
import type { Operation, OperationResult, SilenceView } from '../../src/domain/operation.ts';
import { type LinkAction, readLink, signLink } from '../../src/notify/action-links.ts';
import type { ContactView, OpenedLink, Preview, SilencesQuery, TestOutcome } from '../../src/notify/operating.ts';
import { systemClock } from '../../src/std/clock.ts';
import type { Backend, IngestReading, IngestResult, Page, PageQuery } from '../../src/web/backend.ts';

const PAGE_SIZE = 2;
export type LinkedAlert = Alert & { readonly timeline: readonly unknown[] };

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
  /** What a replay answers, by id and for many. */
  replayNext: { one: Record<number, unknown>; many: unknown[] } = { one: {}, many: [] };
  quarantineReasons = async (): Promise<readonly unknown[]> => this.reasons;
  reasons: readonly unknown[] = [];
  quarantined = async (id: number) => this.items.find((item) => item.id === id) ?? null;
  replay = async (id: number, options: { rules: boolean }): Promise<unknown> => {
    this.queries.push({ id, ...options });
    return this.replayNext.one[id] ?? null;
  };
  replayMany = async (filter: object, request: object): Promise<unknown> => {
    this.queries.push({ filter, ...request });
    return this.replayNext.many.shift();
  };
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

  readonly operations: Operation[] = [];
  operationLog = async (query: PageQuery) => {
    this.queries.push(query);
    return page(
      this.operations.map((operation, index) => ({ number: index + 1, at: 0, sequence: 0, operation, alerts: {} })),
      query,
    );
  };
  readonly silenceViews: SilenceView[] = [];
  operateNext: OperationResult = { done: true };
  readonly #alerts = new Map<string, LinkedAlert>();
  readonly #key = new Uint8Array(randomBytes(32));
  link(alert: string, action: LinkAction, options: { contact?: string; validMs?: number } = {}): string {
    const { contact = 'night', validMs = 60_000 } = options;
    return signLink({ alert, action, contact, expiresAt: systemClock.now() + validMs * 1000 }, this.#key);
  }
  operate = async (operation: Operation): Promise<OperationResult> => {
    if (!this.operateNext.done) return this.operateNext;
    this.operations.push(operation);
    const { kind } = operation;
    if (kind === 'acknowledge') this.#flag(operation.alert, ['acknowledged']);
    else if (kind === 'unacknowledge') this.#flag(operation.alert, []);
    else if (kind === 'silence') this.#store(operation.silence.id, { ...operation.silence, ...RUNNING });
    else if (kind === 'end-silence') {
      const silence = await this.silence(operation.silence);
      if (silence !== null) this.#store(silence.id, { ...silence, state: 'ended', endedAt: systemClock.now(), endedBy: operation.by });
    }
    return { done: true };
  };
  /** An alert that is listed, can be acted on, and that links lead to. */
  addAlert(alert: LinkedAlert): void {
    this.#alerts.set(alert.id, alert);
    this.items.push({ ...alert });
  }
  #flag(id: string, flags: readonly AlertFlag[]): void {
    const alert = this.#alerts.get(id);
    if (alert !== undefined) this.#alerts.set(id, { ...alert, flags });
    const item = this.items.find((candidate) => candidate.id === id);
    if (item !== undefined) item.flags = flags;
  }
  #store(id: string, silence: SilenceView): void {
    const index = this.silenceViews.findIndex((view) => view.id === id);
    this.silenceViews.splice(index < 0 ? this.silenceViews.length : index, 1, silence);
  }
  silences = async (query: SilencesQuery) => {
    this.queries.push(query);
    const views = this.silenceViews.filter(({ state }) => query.state === undefined || state === query.state);
    const from = Number(query.cursor ?? 0);
    const to = from + (query.limit ?? PAGE_SIZE);
    return { items: views.slice(from, to), next: to < views.length ? String(to) : null };
  };
  silence = async (id: string) => this.silenceViews.find((view) => view.id === id) ?? null;
  openLink = async (token: string): Promise<OpenedLink> => {
    const link = readLink(token, this.#key, systemClock.now());
    if ('problem' in link) return link;
    return { ...link, alert: this.#alerts.get(link.alert) ?? null };
  };
  testNext: (contact: string, by: string) => Promise<readonly TestOutcome[] | null> = async () => null;
  test = (contact: string, by: string) => this.testNext(contact, by);
  previewNext: Preview | null = null;
  preview = async (alert: string, contact: string | null) => {
    this.queries.push({ alert, contact });
    return this.previewNext;
  };
  readonly contactViews: ContactView[] = [];
  contacts = async () => this.contactViews;
}

const RUNNING = { state: 'active', endedAt: null, endedBy: null, alerts: 1 } as const;
