/** `kill -9` between the mail server's answer and our commit: sent again, recognisable as the same. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { openDatabase } from '../../src/sqlite/database.ts';
import { startSmtp } from './channels/smtp.ts';
import { eventually, startNotifying, TransitionLog } from './fixtures.ts';

it('a message whose delivery was not committed is sent again under the same Message-ID, from the same row', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tocsin-notify-'));
  let child: ChildProcess | undefined;
  try {
    // Killed when the server has the message, before it answers: the answer then finds nobody.
    await using server = await startSmtp({ onData: () => void child?.kill('SIGKILL') });
    child = spawn(process.execPath, [fileURLToPath(new URL('./killed.ts', import.meta.url)), folder, server.url], { stdio: 'inherit' });
    const ended = new Promise((resolve) => child?.once('exit', (_code, signal) => resolve(signal)));
    await server.until(1);
    expect(await ended).toBe('SIGKILL');
    child = undefined;
    {
      using database = openDatabase(join(folder, 'state.db'));
      expect(database.prepare('SELECT state FROM notify_message').all()).toEqual([{ state: 'waiting' }]);
    }
    const log = new TransitionLog();
    log.add('firing', { id: 'a' });
    await using bench = startNotifying({ folder, log, smtp: server.url });
    await server.until(2);
    const items = await eventually(
      () => bench.notifying.notifications({}).items,
      (seen) => seen[0]?.state === 'delivered',
    );
    expect(items).toHaveLength(1);
    const ids = server.received.map(({ mail }) => mail.messageId);
    expect(ids[0]).toBe(ids[1]);
    expect(server.received[0]?.raw).toBe(server.received[1]?.raw);
  } finally {
    child?.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  }
}, 30_000);
