/** File systems of a test's own, which only root can mount: a small one that fills up, and one whose power is cut. */
import { execFile } from 'node:child_process';
import { copyFile, mkdir, rm, truncate, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { findBinary } from '../services/service.ts';

const run = promisify(execFile);

export interface Mount extends AsyncDisposable {
  readonly path: string;
}

/** Why this machine cannot mount, or null. */
export async function whyNotMount(): Promise<string | null> {
  if (process.platform !== 'linux') return 'it needs Linux';
  if (process.getuid?.() !== 0) return 'only root may mount a file system';
  if ((await findBinary('mount')) === null) return 'there is no mount';
  return null;
}

export async function mountTmpfs(path: string, sizeBytes: number): Promise<Mount> {
  await mkdir(path, { recursive: true });
  await run('mount', ['-t', 'tmpfs', '-o', `size=${sizeBytes}`, 'tmpfs', path]);
  return { path, [Symbol.asyncDispose]: () => unmount(path) };
}

/** ext4 on a file, in which what was not synced stays in memory for minutes. */
export class LoopDisk implements AsyncDisposable {
  readonly path: string;
  readonly #image: string;
  #isMounted = false;

  /** @param path the mount point; the image file is made beside it */
  constructor(path: string) {
    this.path = path;
    this.#image = `${path}.img`;
  }

  async create(sizeBytes: number): Promise<void> {
    const mkfs = await findBinary('mkfs.ext4');
    if (mkfs === null) throw new Error('there is no mkfs.ext4');
    await writeFile(this.#image, '');
    await truncate(this.#image, sizeBytes);
    await run(mkfs, ['-q', '-F', this.#image]);
    await mkdir(this.path, { recursive: true });
    await this.#mount();
  }

  /**
   * What a disk holds after the power was cut: a copy of the backing file, taken while the dirty pages of the file system
   * on it are still in memory only, takes the place of the original. Whoever wrote to it must have been killed.
   */
  async cutPower(): Promise<void> {
    const after = `${this.#image}.after`;
    await copyFile(this.#image, after);
    await this[Symbol.asyncDispose]();
    await copyFile(after, this.#image);
    await rm(after);
    await this.#mount();
  }

  async #mount(): Promise<void> {
    await run('mount', ['-o', 'loop,commit=300', this.#image, this.path]);
    this.#isMounted = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isMounted) return;
    await unmount(this.path);
    this.#isMounted = false;
  }
}

async function unmount(path: string): Promise<void> {
  // A process that was just killed may hold a file for a moment longer.
  for (let attempt = 0; ; attempt++) {
    try {
      await run('umount', [path]);
      return;
    } catch (error) {
      if (attempt >= 50) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
