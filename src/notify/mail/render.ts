/**
 * What a person reads: subject, text and HTML of one message. Pure, and the same to the byte for the same input. The
 * subject is one line; what may stand in a text, `mail-text.ts` sees to. The HTML stays below the 102 KB from which on Gmail cuts.
 */
import type { Alert } from '../../domain/alert.ts';
import type { Links } from '../channels/notifier.ts';
import type { Content } from '../content.ts';
import { linesOf } from './alert-lines.ts';
import { rowsOf } from './alert-rows.ts';
import type { AlertFacts } from './facts.ts';
import {
  alertUrl,
  clean,
  type Earlier,
  isLink,
  LINE_LENGTH_MAX,
  notesOf,
  oneLine,
  pageUrl,
  shortTimeText,
  valueText,
} from './mail-text.ts';
import { htmlOf, type Link, type Page, textOf } from './page.ts';
import { isAboutOne, type Telling } from './story.ts';
import { boundText, isSilent } from './story-one.ts';
import { storyOf } from './tell.ts';

export interface RenderInput {
  readonly content: Content;
  readonly factsOf: (alert: Alert) => AlertFacts;
  /** Earlier messages that were not delivered and that this one stands in for, oldest first. */
  readonly replaces: readonly Earlier[];
  readonly publicUrl: string | null;
  readonly links: Links | null;
  readonly chart: { readonly contentId: string; readonly describes: string } | null;
  /** When the message was decided on, µs: for how long something fires. Without it, only since when. */
  readonly at?: number;
}

export interface Rendered {
  readonly subject: string;
  readonly text: string;
  readonly html: string;
}

const TEXT_LENGTH_MAX = 3000;

/** `[CRITICAL] fridge-warm on fridge-01: 9.3 °C` */
export function subjectOf(content: Content, factsOf: (alert: Alert) => AlertFacts, at?: number): string {
  return storyOf({ content, factsOf, replaces: [], at: at ?? null }).subject;
}

export function render(input: RenderInput): Rendered {
  const { content, factsOf, replaces, at } = input;
  const telling: Telling = { content, factsOf, replaces, at: at ?? null };
  const { subject, ...story } = storyOf(telling);
  const page = isAboutOne(content) ? pageOfOne(input, telling) : pageOfMany(input);
  const whole: Page = {
    ...story,
    ...page,
    lead: [...page.lead, ...story.lead],
    chart: input.chart === null ? null : { ...input.chart, describes: oneLine(input.chart.describes, LINE_LENGTH_MAX) },
    notes: notesOf(replaces),
    urlOf: urlsOf(input),
  };
  return { subject, text: textOf(whole), html: htmlOf(whole) };
}

type Parts = Pick<Page, 'lead' | 'big' | 'rows' | 'list' | 'description' | 'links'>;

const urlsOf =
  ({ publicUrl }: RenderInput) =>
  (alert: string): string | null =>
    publicUrl === null ? null : alertUrl(publicUrl, alert);

function pageOfOne(input: RenderInput, { at }: Telling): Parts {
  const { content, factsOf, publicUrl } = input;
  const [item] = content.items;
  if (item === undefined) throw new Error('a message tells of an alert at least');
  const facts = factsOf(item.alert);
  const value = isSilent(item) ? 'no data' : valueText(item.alert.value, facts.unit);
  const last = valueText(item.alert.value, facts.unit);
  const standing = !isSilent(item) ? boundText(item, facts) : last === null ? null : `last value ${last}`;
  const beside = [standing, `since ${shortTimeText(item.alert.since, at)}`].filter((part) => part !== null);
  const page = input.links?.alert ?? (publicUrl === null ? null : alertUrl(publicUrl, item.alert.id));
  const summary = oneLine(item.alert.summary, LINE_LENGTH_MAX);
  return {
    lead: summary === '' ? [] : [summary],
    // `true` says nothing by itself; the summary does.
    big:
      value === null || value === '' || typeof item.alert.value === 'boolean'
        ? null
        : { value, beside: item.alert.state === 'firing' ? beside.join(' · ') : null },
    rows: rowsOf(item, facts, at),
    list: null,
    description: facts.description === null ? null : clean(facts.description, TEXT_LENGTH_MAX),
    links: [...actionsOf(input, { name: 'Alert', button: 'Details', target: page }), ...runbookOf(facts)],
  };
}

function pageOfMany(input: RenderInput): Parts {
  const { content, factsOf, publicUrl } = input;
  const rules = new Set(content.items.map(({ alert }) => alert.rule));
  const [first] = content.items;
  // What to do is told where it is one and the same for all.
  const facts = rules.size === 1 && content.more === 0 && first !== undefined ? factsOf(first.alert) : null;
  // Of several alerts the list; who hands in links knows of a better page.
  const page = input.links?.alert ?? (publicUrl === null ? null : pageUrl(publicUrl));
  return {
    lead: [],
    big: null,
    rows: [],
    list: linesOf(content, factsOf, urlsOf(input)),
    description: facts?.description == null ? null : clean(facts.description, TEXT_LENGTH_MAX),
    links: [...actionsOf(input, { name: 'Alerts', button: 'Open alerts', target: page }), ...(facts === null ? [] : runbookOf(facts))],
  };
}

/** What a person may do about it, the most wanted first. */
function actionsOf({ links }: RenderInput, page: Omit<Link, 'target'> & { target: string | null }): Link[] {
  const wanted = [
    { name: 'Acknowledge', button: 'Acknowledge', target: links?.acknowledge ?? null },
    { name: 'Silence', button: 'Silence', target: links?.silence ?? null },
    page,
  ];
  return wanted.flatMap(({ name, button, target }) => (target === null || !isLink(target) ? [] : [{ name, button, target }]));
}

const runbookOf = ({ runbook }: AlertFacts): Link[] =>
  runbook === null || runbook.trim() === '' ? [] : [{ name: 'Runbook', target: oneLine(runbook, LINE_LENGTH_MAX), button: null }];
