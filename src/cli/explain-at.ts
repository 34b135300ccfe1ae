/**
 * What a device was at a time in the past: what was recorded up to it goes through the rules of the configuration, as they are now,
 * and the state that comes of it is explained. Alerts and messages are the instance's own, where it can be asked; else
 * those that the replay came to.
 */
import * as z from 'zod';
import type { ExplainQuery } from '../alerts/explaining.ts';
import type { Alert, Transition } from '../domain/alert.ts';
import { MICROSECONDS_PER_MILLISECOND } from '../domain/reading.ts';
import type { Content } from '../notify/content.ts';
import type { ToldRule } from '../notify/would-tell.ts';
import { concerning } from '../replay/concerned.ts';
import { Replay, type ReplayDecision } from '../replay/replay.ts';
import { warmupMsOf } from '../replay/warmup.ts';
import { compileRules } from '../rules/compile.ts';
import { messageOf, TocsinError } from '../std/errors.ts';
import { parseTime, withTimes } from '../web/times.ts';
import { type Address, type Client, createClient } from './client.ts';
import { loadEverything } from './load.ts';
import { loggedOperations } from './logged-operations.ts';
import { Progress } from './progress.ts';
import { openRecorded } from './recorded.ts';

/** What began earlier, and lasts, counts from there: a day is more than most alerts last. */
const WARMUP_MIN_MS = 86_400_000;
const ALERTS_LOOKED_AT = 200;

interface Entry {
  readonly at: number;
  readonly kind: string;
  readonly reason: string;
}
interface Story {
  readonly alert: Alert;
  readonly timeline: readonly Entry[];
  readonly earlier: 0;
}

/** @returns what the API would have answered then: plain data, times in RFC 3339 */
export async function explainAt(query: ExplainQuery, time: number, options: Address & { readonly journal: boolean }): Promise<unknown> {
  const loaded = await loadEverything({ path: options.config, set: options.set, env: process.env });
  const { rules, directory, notify } = loaded;
  const { compiled } = compileRules(rules, directory);
  const warmupMs = Math.max(WARMUP_MIN_MS, warmupMsOf(rules));
  const range = { from: time - warmupMs * MICROSECONDS_PER_MILLISECOND, to: time + 1 };
  const { source, strangers, registeredAt } = await openRecorded(loaded, range, options.journal ? 'journal' : 'history');
  await using opened = source;
  const told = new Told();
  const { operations, remarks: missing } = await loggedOperations(options, { ...range, data: loaded.config.data });
  const replay = new Replay({
    rules: compiled,
    directory,
    notify,
    ruleTexts: rules,
    startsAt: range.from,
    registeredAt,
    operations,
    ...(opened.journalId !== null && { journalId: opened.journalId }),
    onTransition: (transition) => told.transition(transition),
    onMessage: ({ at, content, contact, subject }) => told.message({ at, kind: 'message', reason: `to ${contact}: ${subject}` }, content),
  });
  const isConcerned = concerning(query.device, { rules: compiled, directory });
  const progress = new Progress('explain');
  let readings = 0;
  for await (const batch of opened.batches) {
    for (const [index, reading] of batch.readings.entries()) {
      if (!isConcerned(reading.device)) continue;
      replay.reading(reading, batch.positions?.[index]);
      readings += 1;
    }
    progress.update(opened.fraction(), readings);
  }
  progress.done();
  replay.until(time);
  const explained = replay.explain(query);
  told.decisions(replay.decisions);
  const from = new Date(range.from / MICROSECONDS_PER_MILLISECOND).toISOString();
  if ('unknown' in explained) {
    const hint = explained.hint ?? `${opened.name} from ${from} on was replayed: --journal and another --at reach other readings`;
    throw new TocsinError(explained.unknown, { hint });
  }
  const remarks = [
    ...missing,
    `replayed from ${from} on, over ${opened.name}, with the rules as they are now: what began before counts from there`,
  ];
  if (strangers.has(query.device)) remarks.push(`nothing says what ${query.device} is: it counts as a device without a profile`);
  const storyOf = await storiesOf(options, time, (problem) => remarks.push(problem));
  const stories = explained.rules.map(async (rule) => {
    const device = rule.group ?? explained.device?.id ?? query.device;
    const data: unknown = withTimes({ ...rule, story: told.storyOf(rule, device) });
    return { ...asObject(data), ...(storyOf !== null && { story: await storyOf(rule.rule, device) }) };
  });
  return { ...asObject(withTimes(explained)), rules: await Promise.all(stories), remarks };
}

/** What the replay came to, by alert. */
class Told {
  readonly #stories = new Map<string, { alert: Alert; timeline: Entry[] }>();
  /** The latest alert of each rule and device. */
  readonly #latest = new Map<string, string>();

  transition({ alert, kind, at, reason }: Transition): void {
    const story = this.#stories.get(alert.id) ?? { alert, timeline: [] };
    story.alert = alert;
    story.timeline.push({ at, kind, reason });
    this.#stories.set(alert.id, story);
    this.#latest.set(JSON.stringify([alert.rule, alert.device]), alert.id);
  }

  message(entry: Entry, { items }: Content): void {
    for (const { alert } of items) this.#stories.get(alert.id)?.timeline.push(entry);
  }

  /** Why each message went out, or why none did. */
  decisions(all: readonly ReplayDecision[]): void {
    for (const { alert, at, reason } of all) this.#stories.get(alert)?.timeline.push({ at, kind: 'decision', reason });
    for (const { timeline } of this.#stories.values()) timeline.sort((a, b) => a.at - b.at);
  }

  storyOf({ rule, alert }: ToldRule, device: string): Story | null {
    const id = alert?.id ?? this.#latest.get(JSON.stringify([rule, device]));
    const story = id === undefined ? undefined : this.#stories.get(id);
    return story === undefined ? null : { ...story, earlier: 0 };
  }
}

type StoryOf = (rule: string, device: string) => Promise<unknown>;
const alertForm = z.looseObject({ id: z.string(), since: z.string() });
const timelineForm = z.looseObject({ timeline: z.array(z.unknown()) });

/** Null when the instance does not answer: it need not run for this. */
async function storiesOf(address: Address, time: number, remark: (problem: string) => void): Promise<StoryOf | null> {
  let client: Client;
  try {
    client = createClient(address);
    await client.list('/alerts', {}, 1);
  } catch (error) {
    if (!(error instanceof TocsinError)) throw error;
    remark(`alerts and messages are those of the replay, as the instance was not reached: ${messageOf(error)}`);
    return null;
  }
  return async (rule, device) => {
    const { items } = await client.list('/alerts', { rule, device }, ALERTS_LOOKED_AT);
    // The latest first: the one that was open then, or else the last one before.
    const alert = items.map((item) => alertForm.parse(item)).find(({ since }) => (parseTime(since) ?? 0) <= time);
    if (alert === undefined) return null;
    const { timeline, ...found } = timelineForm.parse(await client.get(`/alerts/${encodeURIComponent(alert.id)}`));
    return { alert: found, timeline, earlier: 0 };
  };
}

function asObject(data: unknown): Record<string, unknown> {
  return z.record(z.string(), z.unknown()).parse(data);
}
