/**
 * E-mail without a server: each message is a file that any mail program opens. Written under another name, synced and
 * renamed, so that a file with the suffix `.eml` is whole; named after the message, so that a repeat overwrites it.
 * At most `FILES_MAX` are kept: the oldest go first.
 */
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import MailComposer from 'nodemailer/lib/mail-composer';
import type { DeliveryOutcome } from '../../domain/notification.ts';
import { messageOf } from '../../std/errors.ts';
import { mimeOptions } from './mime.ts';
import type { Notifier, OutgoingMessage } from './notifier.ts';

const FILES_MAX = 10_000;

export function createMailFileNotifier(options: { directory: string; from: string; filesMax?: number }): Notifier {
  const directory = resolve(options.directory);
  const filesMax = options.filesMax ?? FILES_MAX;
  /** Names of the files that are there, the oldest first; read once, at the first message. */
  let known: Promise<Set<string>> | null = null;

  async function write(message: OutgoingMessage): Promise<string> {
    known ??= existingFiles(directory);
    const names = await known;
    const name = `${message.id}.eml`;
    const path = join(directory, name);
    const unfinished = `${path}.part`;
    const bytes = await new MailComposer(mimeOptions(message, options.from)).compile().build();
    const file = await open(unfinished, 'w');
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(unfinished, path);
    names.delete(name);
    names.add(name);
    for (const oldest of names) {
      if (names.size <= filesMax) break;
      names.delete(oldest);
      await rm(join(directory, oldest), { force: true });
    }
    return path;
  }

  return {
    async send(message): Promise<DeliveryOutcome> {
      try {
        return { outcome: 'delivered', detail: `written to ${await write(message)}` };
      } catch (error) {
        known = null;
        return { outcome: 'retryable', detail: `cannot write into ${directory}: ${messageOf(error)}` };
      }
    },
    close: () => Promise.resolve(),
  };
}

/** Makes the folder, clears what a crash left unfinished, and lists the rest by age. */
async function existingFiles(directory: string): Promise<Set<string>> {
  await mkdir(directory, { recursive: true });
  const files: { name: string; at: number }[] = [];
  for (const name of await readdir(directory)) {
    const path = join(directory, name);
    if (name.endsWith('.eml.part')) await rm(path, { force: true });
    else if (name.endsWith('.eml')) files.push({ name, at: (await stat(path)).mtimeMs });
  }
  return new Set(files.sort((a, b) => a.at - b.at).map(({ name }) => name));
}
