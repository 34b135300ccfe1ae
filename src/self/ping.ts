/**
 * A heartbeat over HTTP: one GET, bounded in time, its answer not read. The URL is a secret (who knows it can feign the
 * heartbeat): no result holds more of it than the host.
 */
import type { Clock } from '../std/clock.ts';
import { messageOf } from '../std/errors.ts';

const PING_WAIT_MS = 10_000;

export const hostOf = (url: string): string => new URL(url).host;

/** @returns null when it was taken, else why not */
export async function ping(url: string, clock: Clock, signal: AbortSignal): Promise<string | null> {
  const late = new AbortController();
  const cancel = clock.after(PING_WAIT_MS, () => late.abort());
  try {
    // fetch refuses a URL with user and password in it, and repeats it in the error.
    const target = new URL(url);
    const { username, password } = target;
    target.username = '';
    target.password = '';
    const basic = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString('base64');
    const headers = { 'user-agent': 'Tocsin', ...(username !== '' && { authorization: `Basic ${basic}` }) };
    const response = await fetch(target, { signal: AbortSignal.any([signal, late.signal]), headers });
    await response.body?.cancel();
    return response.ok ? null : `${hostOf(url)} answered ${response.status}`;
  } catch (error) {
    if (late.signal.aborted) return `${hostOf(url)} gave no answer within ${PING_WAIT_MS} ms`;
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
    return `${hostOf(url)} cannot be reached: ${messageOf(cause).replaceAll(url, hostOf(url))}`;
  } finally {
    cancel();
  }
}
