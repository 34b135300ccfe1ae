/** What people did, as the API lists it: with what the alerts were that it was about, whose ids are of no use to another replay. */
import type { LoggedOperation } from '../domain/operation.ts';
import type { Generation } from './generations.ts';

export interface OperationView extends LoggedOperation {
  /** By id, of alerts that are still kept. */
  readonly alerts: Readonly<Record<string, { readonly rule: string; readonly device: string }>>;
}

const PAGE_DEFAULT = 100;
const PAGE_MAX = 1000;

/** In the order in which it took effect; `cursor` is the `next` of the page before. */
export function operationsPage(
  { alerting, notifying }: Pick<Generation, 'alerting' | 'notifying'>,
  query: { readonly cursor?: string; readonly limit?: number },
): { items: OperationView[]; next: string | null } {
  const limit = Math.min(Math.max(1, query.limit ?? PAGE_DEFAULT), PAGE_MAX);
  const after = Number(query.cursor ?? 0);
  if (!Number.isSafeInteger(after)) return { items: [], next: null };
  const logged = notifying.operations(after, limit + 1);
  const known = new Map<string, { rule: string; device: string } | null>();
  const aboutOf = (id: string): { rule: string; device: string } | null => {
    let about = known.get(id);
    if (about === undefined) {
      const alert = alerting.alert(id);
      about = alert === null ? null : { rule: alert.rule, device: alert.device };
      known.set(id, about);
    }
    return about;
  };
  const items = logged.slice(0, limit).map((entry): OperationView => {
    const abouts = alertsOf(entry).flatMap((id) => {
      const about = aboutOf(id);
      return about === null ? [] : [[id, about] as const];
    });
    return { ...entry, alerts: Object.fromEntries(abouts) };
  });
  return { items, next: logged.length > limit ? String(items.at(-1)?.number) : null };
}

function alertsOf({ operation }: LoggedOperation): readonly string[] {
  if (operation.kind === 'silence') return operation.silence.match.alerts ?? [];
  return 'alert' in operation ? [operation.alert] : [];
}
