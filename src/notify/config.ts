/**
 * notify.yaml: who is told of what. The result is plain data, checked: every route names contacts and schedules that exist,
 * every address is one address, and who is on call leads to people.
 */
import { resolve as absolute, dirname } from 'node:path';
import * as z from 'zod';
import { TocsinError } from '../std/errors.ts';
import { problemsOf, valueAt } from '../std/form.ts';
import { parseYaml, type YamlFile } from '../std/yaml.ts';
import { type NotifyForm, notifyFormIn } from './config/form.ts';
import { groupingOf } from './config/grouping-form.ts';
import { referenceProblems } from './config/references.ts';
import { NOBODY, type NotifyConfig, type Route } from './notify-config.ts';

/** Puts in what references such as `${NAME}` stand for, and tells of those that stand for nothing. */
export type Resolve = (data: unknown, problem: (at: readonly PropertyKey[], error: TocsinError) => void) => unknown;

/** `file:line:column` of what stands at a path, or of its key. */
export type PlaceOf = (at: readonly PropertyKey[], part?: 'key' | 'value') => string;

export interface ParsedNotify {
  readonly config: NotifyConfig;
  readonly problems: TocsinError[];
  /** For what is found out later. */
  readonly placeOf: PlaceOf;
}

/**
 * @param source `path`: file names in channels are relative to its folder. `resolve` is asked before anything is checked; what it
 *   put in may be secret and stands in no problem
 * @returns every problem at once; the config is of use only when there is none
 */
export function parseNotify(source: { readonly path: string; readonly text: string; readonly resolve?: Resolve }): ParsedNotify {
  const { file, problems } = parseYaml(source);
  if (file === null) return { config: NOBODY, problems, placeOf: () => source.path };
  const placeOf = file.place;
  const written = file.value ?? {};
  const data =
    source.resolve?.(written, (at, { message, hint }) => {
      problems.push(new TocsinError(message, hint === undefined ? { place: file.place(at) } : { place: file.place(at), hint }));
    }) ?? written;
  // A reference that leads nowhere left a hole: what else is wrong would only be its consequence.
  if (problems.length > 0) return { config: NOBODY, problems, placeOf };
  const parsed = notifyFormIn(dirname(absolute(source.path))).safeParse(data);
  if (!parsed.success) {
    const issues = parsed.error.issues.map((issue) => ({ ...issue, message: asWritten(issue, { written, data }) }));
    return { config: NOBODY, problems: problemsOf(new z.ZodError(issues), data, file.place), placeOf };
  }
  return { config: configOf(parsed.data, file), problems: referenceProblems(parsed.data, file), placeOf };
}

function configOf(form: NotifyForm, file: YamlFile): NotifyConfig {
  const { contacts, schedules, inhibitions, escalations, storm, limits } = form;
  const routes = form.routes.map(
    (route, index): Route => ({
      place: { file: file.path, ...file.position(['routes', index]) },
      match: route.match,
      to: [...new Set(route.to)],
      continue: route.continue,
      ...groupingOf(route),
    }),
  );
  const fallback = { to: [...new Set(form.default.to)], ...groupingOf(form.default) };
  return { contacts, routes, default: fallback, schedules, inhibitions, escalations, storm, limits };
}

/** The message with what stands in the file in the place of what a reference in it stood for. Values in messages are quoted. */
function asWritten(issue: z.core.$ZodIssue, { written, data }: { written: unknown; data: unknown }): string {
  const text = valueAt(written, issue.path);
  if (JSON.stringify(text) === JSON.stringify(valueAt(data, issue.path))) return issue.message;
  return issue.message.replace(/"(?:[^"\\]|\\.)*"/g, () => (typeof text === 'string' ? JSON.stringify(text) : '"…"'));
}
