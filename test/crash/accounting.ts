/**
 * Compares what the fleet was told with what the server has: readings in history, alerts, mails. Every difference is a
 * sentence; what is allowed to happen (a mail repeated under its own Message-ID, a doubled reading of a device without a
 * clock) is counted apart.
 */
import { systemClock } from '../../src/std/clock.ts';
import type { Server } from '../load/server.ts';
import type { ReceivedMail } from '../load/smtp-sink.ts';
import { type Fleet, type FleetDevice, RULE_ID } from './fleet.ts';

export interface Account {
  /** What must not be. Empty when all is well. */
  readonly faults: readonly string[];
  readonly readings: number;
  /** Readings of `plain` devices that were sent again after a crash and are there twice. */
  readonly doubledByDevice: number;
  readonly alerts: number;
  readonly mails: number;
  /** Mails that came more than once, under the same Message-ID. */
  readonly repeatedMails: number;
  /** Mails never sent because a newer one about the same alert took their place, and says so. */
  readonly replacedMails: number;
}

interface StoredReading {
  readonly at: string;
  readonly values: Readonly<Record<string, unknown>>;
}
interface StoredAlert {
  readonly id: string;
  readonly state: string;
  readonly since: string;
}

const PAGE = 10_000;
const ALERT_PAGE = 1000;
const PAGES_MAX = 10_000;
const CATCH_UP_POLL_MS = 100;
const FAULTS_SHOWN = 30;

/** Waits until every consumer is at the head of the journal. */
export async function caughtUp(server: Server, waitMs: number): Promise<void> {
  const deadline = systemClock.monotonicMs() + waitMs;
  for (;;) {
    const lags = (await server.metrics()).all('tocsin_consumer_lag_readings');
    if (lags.length > 0 && lags.every(({ value }) => value === 0)) return;
    if (systemClock.monotonicMs() > deadline) {
      throw new Error(`consumers are still behind after ${waitMs} ms: ${JSON.stringify(lags)}\nstderr:\n${server.stderrTail()}`);
    }
    await systemClock.sleep(CATCH_UP_POLL_MS);
  }
}

/** Waits until nothing is in the outbox any more. */
export async function mailsSent(server: Server, waitMs: number): Promise<void> {
  const deadline = systemClock.monotonicMs() + waitMs;
  for (;;) {
    const metrics = await server.metrics();
    const left = metrics.sum('tocsin_outbox_messages', { state: 'waiting' }) + metrics.sum('tocsin_outbox_messages', { state: 'sending' });
    if (left === 0 && metrics.all('tocsin_outbox_messages').length > 0) return;
    if (systemClock.monotonicMs() > deadline) {
      throw new Error(`${left} messages are still in the outbox after ${waitMs} ms\nstderr:\n${server.stderrTail()}`);
    }
    await systemClock.sleep(CATCH_UP_POLL_MS);
  }
}

export async function accountFor(options: { server: Server; fleet: Fleet; mails: readonly ReceivedMail[] }): Promise<Account> {
  const { server, fleet, mails } = options;
  const faults: string[] = [];
  let readings = 0;
  let doubledByDevice = 0;
  let alerts = 0;
  for (const device of fleet.devices) {
    const stored = await pages<StoredReading>(server, `/api/v1/readings?device=${device.name}`, PAGE);
    readings += stored.length;
    doubledByDevice += compareReadings(device, stored, faults);
    const storedAlerts = await pages<StoredAlert>(server, `/api/v1/alerts?device=${device.name}&rule=${RULE_ID}`, ALERT_PAGE);
    alerts += storedAlerts.length;
    compareAlerts(device, storedAlerts, faults);
  }
  const others = await pages<StoredAlert>(server, '/api/v1/alerts?rule=never', ALERT_PAGE);
  if (others.length > 0) faults.push(`${others.length} alerts of a rule that was never true`);
  const mailAccount = compareMails(fleet, mails, faults);
  return { faults: faults.slice(0, FAULTS_SHOWN), readings, doubledByDevice, alerts, ...mailAccount };
}

function compareReadings(device: FleetDevice, stored: readonly StoredReading[], faults: string[]): number {
  const counts = new Uint16Array(device.sent);
  for (const { at, values } of stored) {
    const sequence = Number(values.seq);
    if (!(sequence >= 0 && sequence < device.sent)) {
      faults.push(`${device.name}: history holds a reading that was never sent: ${JSON.stringify(values)}`);
      continue;
    }
    counts[sequence] = (counts[sequence] ?? 0) + 1;
    const time = device.times[sequence];
    if (time !== undefined && micros(at) !== time) faults.push(`${device.name} #${sequence}: stored at ${at}, measured at ${time}`);
  }
  const lost: number[] = [];
  const doubled: number[] = [];
  let allowed = 0;
  for (const [sequence, count] of counts.entries()) {
    if (count === 0 && device.acknowledgedSequences.has(sequence)) lost.push(sequence);
    if (count <= 1) continue;
    if (device.kind === 'plain' && device.sentAgain.has(sequence)) allowed += count - 1;
    else doubled.push(sequence);
  }
  if (lost.length > 0) faults.push(`${device.name}: ${lost.length} acknowledged readings LOST: ${ranges(lost)}`);
  if (doubled.length > 0) faults.push(`${device.name}: ${doubled.length} readings DOUBLED in history: ${ranges(doubled)}`);
  return allowed;
}

function compareAlerts(device: FleetDevice, stored: readonly StoredAlert[], faults: string[]): void {
  const crossings = device.crossings(device.sent);
  if (stored.length !== crossings.length) {
    faults.push(`${device.name}: ${crossings.length} threshold crossings, ${stored.length} alerts`);
  }
  const open = stored.filter(({ state }) => state === 'firing').length;
  const openExpected = device.sent > 0 && device.isHot(device.sent - 1) ? 1 : 0;
  if (open !== openExpected) faults.push(`${device.name}: ${open} alerts fire, should be ${openExpected}`);
  if (device.kind !== 'timed') return;
  const since = new Set(stored.map((alert) => micros(alert.since)));
  for (const sequence of crossings) {
    const time = device.times[sequence] ?? Number.NaN;
    if (!since.has(time)) faults.push(`${device.name} #${sequence}: crossed at ${time}, and no alert begins then`);
  }
}

/**
 * `[CRITICAL] too-hot on timed-01: 35 °C`; each crossing fires once and resolves once. A transition is told by the mail that
 * bears its id, or by a newer one that took that mail's place. Both, when the kill fell between the server's answer and our
 * commit: then the mail has gone out, and what was to be repeated under its Message-ID was overtaken.
 */
function compareMails(
  fleet: Fleet,
  mails: readonly ReceivedMail[],
  faults: string[],
): Pick<Account, 'mails' | 'repeatedMails' | 'replacedMails'> {
  const distinct = new Map(mails.map((mail) => [mail.messageId, mail]));
  const told = new Map<string, Set<string>>();
  const announced = new Set<string>();
  let replacedMails = 0;
  for (const mail of distinct.values()) {
    const match = /^\[(CRITICAL|RESOLVED)\] (\S+) on ([^\s:]+)/.exec(mail.subject);
    const [transition] = headerOf(mail, 'X-Tocsin-Transition');
    if (match?.[2] !== RULE_ID || match[3] === undefined || transition === undefined) {
      faults.push(`a mail that nothing called for: ${mail.subject}`);
      continue;
    }
    if (announced.has(transition)) faults.push(`${match[3]}: ${transition} was announced by two mails of their own`);
    announced.add(transition);
    const replaced = headerOf(mail, 'X-Tocsin-Replaces');
    replacedMails += replaced.length;
    const transitions = told.get(match[3]) ?? new Set<string>();
    told.set(match[3], transitions);
    for (const id of [transition, ...replaced]) transitions.add(id);
  }
  for (const device of fleet.devices) {
    const fired = device.crossings(device.sent).length;
    const resolved = device.sent > 0 && device.isHot(device.sent - 1) ? fired - 1 : fired;
    const transitions = [...(told.get(device.name) ?? [])];
    // The rule has one level and no `for`: an alert's first transition is that it fires, its second that it ends.
    const toldFired = transitions.filter((id) => id.endsWith('/1')).length;
    if (toldFired !== fired) faults.push(`${device.name}: fired ${fired} times, told ${toldFired} times`);
    const toldResolved = transitions.length - toldFired;
    if (toldResolved !== resolved) faults.push(`${device.name}: resolved ${resolved} times, told ${toldResolved} times`);
  }
  return { mails: distinct.size, repeatedMails: mails.length - distinct.size, replacedMails };
}

/** The comma-separated values of a header, folded or not. */
function headerOf(mail: ReceivedMail, name: string): string[] {
  const head = mail.source.slice(0, mail.source.indexOf('\r\n\r\n')).replace(/\r\n[ \t]+/g, ' ');
  const value = new RegExp(`^${name}: (.*)$`, 'im').exec(head)?.[1] ?? '';
  return value.split(/[,\s]+/).filter((part) => part !== '');
}

async function pages<T>(server: Server, path: string, limit: number): Promise<T[]> {
  const items: T[] = [];
  let cursor = '';
  for (let page = 0; page < PAGES_MAX; page++) {
    const { status, body } = await server.get(`${path}&limit=${limit}${cursor}`);
    if (status !== 200 || !isPage<T>(body)) throw new Error(`${path} answered ${status}: ${JSON.stringify(body).slice(0, 500)}`);
    items.push(...body.items);
    if (body.next === null) return items;
    cursor = `&cursor=${encodeURIComponent(body.next)}`;
  }
  throw new Error(`${path} has no end`);
}

function isPage<T>(body: unknown): body is { items: T[]; next: string | null } {
  return typeof body === 'object' && body !== null && 'items' in body && Array.isArray(body.items) && 'next' in body;
}

/** RFC 3339 with up to six digits → µs. */
function micros(text: string): number {
  const [, seconds = '', fraction = ''] = /^(.*?)(?:\.(\d+))?Z$/.exec(text) ?? [];
  return Date.parse(`${seconds}Z`) * 1000 + Number(fraction.padEnd(6, '0').slice(0, 6));
}

/** 1, 2, 3, 7 → `1–3, 7`. */
function ranges(sequences: readonly number[]): string {
  const parts: string[] = [];
  for (let index = 0; index < sequences.length && parts.length < 10; index++) {
    const first = sequences[index] ?? 0;
    let last = first;
    while (sequences[index + 1] === last + 1) last = sequences[++index] ?? last;
    parts.push(first === last ? String(first) : `${first}–${last}`);
  }
  return parts.join(', ');
}
