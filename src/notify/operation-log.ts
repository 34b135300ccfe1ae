/**
 * What people did about alerts, and reloads that changed who is told, in the order in which they took effect, with their journal
 * time: replayed together with the journal they give the same messages. Written in the transaction of what they brought about.
 */
import * as z from 'zod';
import { LEVELS } from '../domain/alert.ts';
import type { LoggedOperation } from '../domain/operation.ts';
import type { Database } from '../sqlite/database.ts';

const OPERATIONS_MAX = 100_000;
const TRIM_EVERY = 1000;

const texts = z.array(z.string()).nullable();
const silenceForm = z.object({
  id: z.string(),
  match: z.object({
    levels: z.array(z.enum(LEVELS)).nullable(),
    rules: texts,
    devices: texts,
    alerts: texts,
    labels: z.record(z.string(), z.array(z.string())),
  }),
  by: z.string(),
  comment: z.string(),
  startsAt: z.number(),
  endsAt: z.number().nullable(),
});
const operationForm = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('acknowledge'),
    alert: z.string(),
    by: z.string(),
    comment: z.string().nullable(),
    until: z.number().nullable(),
  }),
  z.object({ kind: z.literal('unacknowledge'), alert: z.string(), by: z.string() }),
  z.object({ kind: z.literal('comment'), alert: z.string(), by: z.string(), comment: z.string() }),
  z.object({ kind: z.literal('silence'), silence: silenceForm }),
  z.object({ kind: z.literal('end-silence'), silence: z.string(), by: z.string() }),
  z.object({ kind: z.literal('reload'), firedUntil: z.number() }),
]);

export class OperationLog {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  append(operation: LoggedOperation['operation'], { at, sequence }: { at: number; sequence: number }): void {
    const sql = 'INSERT INTO notify_operation (at, sequence, body) VALUES (?, ?, ?)';
    const { lastInsertRowid } = this.#database.raw.prepare(sql).run(at, sequence, JSON.stringify(operation));
    const number = Number(lastInsertRowid);
    if (number % TRIM_EVERY === 0)
      this.#database.raw.prepare('DELETE FROM notify_operation WHERE number <= ?').run(number - OPERATIONS_MAX);
  }

  /** Those after `number`, in order. */
  after(number: number, limit: number): LoggedOperation[] {
    const rows = this.#database.raw
      .prepare('SELECT number, at, sequence, body FROM notify_operation WHERE number > ? ORDER BY number LIMIT ?')
      .all(number, limit);
    return rows.map((row) => ({
      number: Number(row.number),
      at: Number(row.at),
      sequence: Number(row.sequence),
      operation: operationForm.parse(JSON.parse(String(row.body))),
    }));
  }
}
