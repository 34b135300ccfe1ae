/**
 * Real servers for tests. Each comes from an address in the environment, else from a binary on PATH started on free ports in a
 * temporary folder, else, as root on Debian or Ubuntu, from `apt-get install` (announced; `INSTALL_SERVICES=0` forbids it).
 * One that cannot be had makes its tests skipped, with the reason, or fails them when `REQUIRE_SERVICES=all`.
 *
 * A further service is one short file: what its package and binary are called, its arguments, and how to tell that it serves.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { access, constants, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);
const INSTALL_TIMEOUT_MS = 300_000;
const START_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 10_000;
const OUTPUT_LENGTH_MAX = 20_000;

/** What was asked for, or why it cannot be had. */
export type Available<T> = { readonly available: true; readonly value: T } | { readonly available: false; readonly reason: string };

/** Where the programs of Debian's packages lie that are not on everyone's PATH. */
const SYSTEM_FOLDERS = ['/usr/sbin', '/sbin'];

export async function findBinary(name: string): Promise<string | null> {
  for (const folder of [...(process.env.PATH ?? '').split(delimiter), ...SYSTEM_FOLDERS]) {
    const path = join(folder, name);
    const isThere = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (isThere && folder !== '') return path;
  }
  return null;
}

/** The path of a program, installed from the distribution's package where that is possible and allowed. */
export async function obtainBinary(name: string, packageName: string): Promise<Available<string>> {
  const found = await findBinary(name);
  if (found !== null) return { available: true, value: found };
  const reason = (await whyNotInstall()) ?? (await install(packageName));
  const installed = reason === null ? await findBinary(name) : null;
  if (installed !== null) return { available: true, value: installed };
  return unavailable(`${name} is not on PATH, and ${reason ?? `the package ${packageName} does not bring it`}`);
}

/** Says why a service cannot be had; throws it where every service is required. */
export function unavailable(reason: string): { readonly available: false; readonly reason: string } {
  if (process.env.REQUIRE_SERVICES === 'all') throw new Error(`a service is required (REQUIRE_SERVICES=all): ${reason}`);
  return { available: false, reason };
}

async function whyNotInstall(): Promise<string | null> {
  if (process.env.INSTALL_SERVICES === '0') return 'INSTALL_SERVICES=0 forbids installing it';
  if (process.getuid?.() !== 0) return 'only root may install it';
  const release = await readFile('/etc/os-release', 'utf8').catch(() => '');
  if (!/^ID(_LIKE)?=.*\b(debian|ubuntu)\b/m.test(release)) return 'this is neither Debian nor Ubuntu';
  return null;
}

/** Returns why it failed, or null. Test files run side by side: apt itself waits for its lock. */
async function install(packageName: string): Promise<string | null> {
  process.stderr.write(`installing ${packageName} for the tests (apt-get install; INSTALL_SERVICES=0 forbids it)\n`);
  // Without this a package's service would start at once, on its default port and with its default data.
  const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1', SYSTEMD_OFFLINE: '1' };
  const apt = (...words: string[]) =>
    run('apt-get', ['-o', 'DPkg::Lock::Timeout=240', '-o', 'Acquire::Retries=3', '-q', '-y', ...words], {
      env: environment,
      timeout: INSTALL_TIMEOUT_MS,
      maxBuffer: 64 * 1024 * 1024,
    });
  const installing = () => apt('install', '--no-install-recommends', packageName);
  try {
    await installing().catch(() => apt('update').then(installing));
    return null;
  } catch (error) {
    return `apt-get install ${packageName} failed: ${error instanceof Error ? error.message.slice(-500) : String(error)}`;
  }
}

/** A port of loopback that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no free port');
  return address.port;
}

export const temporaryFolder = (name: string): Promise<string> => mkdtemp(join(tmpdir(), `tocsin-${name}-`));

interface ServerOptions {
  readonly binary: string;
  readonly args: readonly string[];
  /** Its own; removed with it. */
  readonly folder: string;
  readonly isServing: () => Promise<boolean>;
  readonly environment?: Readonly<Record<string, string>>;
}

/** A server process of a test: it can be stopped, killed, paused and started again on the same ports and data. */
export class ServerProcess implements AsyncDisposable {
  readonly #options: ServerOptions;
  #child: ChildProcess | null = null;
  #output = '';

  constructor(options: ServerOptions) {
    this.#options = options;
    process.once('exit', this.#killNow);
  }

  async start(): Promise<void> {
    if (this.#child !== null) return;
    const { binary, args, folder, environment } = this.#options;
    const child = spawn(binary, args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...environment } });
    this.#child = child;
    child.once('error', (error) => this.#keep(String(error)));
    child.stdout?.on('data', (text) => this.#keep(String(text)));
    child.stderr?.on('data', (text) => this.#keep(String(text)));
    const deadline = performance.now() + START_TIMEOUT_MS;
    while (!(await this.#options.isServing().catch(() => false))) {
      if (child.exitCode !== null || child.signalCode !== null || performance.now() > deadline) {
        await this.kill();
        throw new Error(`${binary} does not serve:\n${this.#output}`);
      }
      await sleep(50);
    }
  }

  /** A clean stop; killed when it does not come. */
  stop = (): Promise<void> => this.#end('SIGTERM');
  /** As a crash does it. */
  kill = (): Promise<void> => this.#end('SIGKILL');

  /** Connections stay open and nothing answers. */
  pause(): void {
    this.#child?.kill('SIGSTOP');
  }

  resume(): void {
    this.#child?.kill('SIGCONT');
  }

  /** Stops it and removes its folder. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    process.removeListener('exit', this.#killNow);
    await rm(this.#options.folder, { recursive: true, force: true });
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    child.kill('SIGCONT');
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await ended;
    clearTimeout(timer);
  }

  readonly #killNow = (): void => {
    this.#child?.kill('SIGKILL');
  };

  #keep(text: string): void {
    this.#output = (this.#output + text).slice(-OUTPUT_LENGTH_MAX);
  }
}
