/** Alerting on a scripted journal: opened on a database, and run until the journal has no more to say. */
import pino from 'pino';
import { Registry } from 'prom-client';
import { type Alerting, type AlertingOptions, createAlerting } from '../../src/alerts/alerting.ts';
import type { Database } from '../../src/sqlite/database.ts';
import { directoryOf, rulesOf, ruleText, START_US } from './scenario.ts';
import { createStillClock, type ScriptedJournal } from './scripted-journal.ts';

const logger = pino({ level: 'silent' });
const NOW = ruleText('{warning: {when: "temperature > 8"}}');

export function open(database: Database, journal: ScriptedJournal, options: Partial<AlertingOptions> & { text?: string } = {}): Alerting {
  const directory = options.directory ?? directoryOf();
  return createAlerting({
    journal,
    journalId: 'journal-1',
    partition: 0,
    range: { first: 0, head: journal.head },
    database,
    rules: rulesOf(options.text ?? NOW, directory),
    directory,
    clock: createStillClock(START_US),
    logger,
    registry: new Registry(),
    startGraceMs: 0,
    onTransitions: () => undefined,
    followedTo: () => Number.MAX_SAFE_INTEGER,
    ...options,
  });
}

/** Runs until the journal has no more to say, then stops cleanly. */
export async function runToEnd(alerting: Alerting, journal: ScriptedJournal): Promise<void> {
  const stop = new AbortController();
  journal.onEnd = () => stop.abort();
  await alerting.run(stop.signal);
}
