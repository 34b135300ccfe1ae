/**
 * A page of those items of a list that a filter lets through which the list itself does not know. A call looks at a bounded
 * number of items: a page may then hold fewer than were asked for, or none, and still have a next one.
 */
export interface Page<T> {
  readonly items: T[];
  readonly next: string | null;
}

export interface PageQuery {
  readonly cursor?: string | undefined;
  readonly limit?: number | undefined;
}

const LIMIT_DEFAULT = 100;
const PAGES_MAX = 20;

export function selectedPage<T, Query extends PageQuery>(
  query: Query,
  list: { readonly ask: (query: Query) => Page<T>; readonly isWanted: (item: T) => boolean },
): Page<T> {
  const limit = query.limit ?? LIMIT_DEFAULT;
  const items: T[] = [];
  let next: string | null = query.cursor ?? null;
  for (let asked = 0; asked < PAGES_MAX; asked++) {
    // No more than there is room for: what is left over of a page would be lost behind its cursor.
    const page = list.ask({ ...query, limit: limit - items.length, ...(next !== null && { cursor: next }) });
    items.push(...page.items.filter(list.isWanted));
    next = page.next;
    if (next === null || items.length >= limit) break;
  }
  return { items, next };
}
