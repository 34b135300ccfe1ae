/** The demo, as a newcomer runs it: within a minute an alert, its e-mail as a file, its recovery; then a clean end. */
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const DEMO = fileURLToPath(new URL('../../simulator/demo.ts', import.meta.url));
const FREE_PORTS = ['--set', 'mqtt.listeners=["mqtt://127.0.0.1:0"]', '--set', 'http.listen=http://127.0.0.1:0'];

function run(args: readonly string[]): Promise<{ status: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [DEMO, ...args], (error, stdout, stderr) =>
      resolve({ status: typeof error?.code === 'number' ? error.code : error === null ? 0 : -1, stdout, stderr }),
    );
  });
}

it('shows an alert, where its .eml lies, and its recovery', async () => {
  const data = await mkdtemp(join(tmpdir(), 'tocsin-demo-'));
  try {
    const { status, stdout, stderr } = await run(['--once', '--data', data, ...FREE_PORTS]);
    expect({ status, stdout, stderr }).toMatchObject({ status: 0 });
    const order = ['ALERT      critical: fridge-03', 'E-MAIL', '.eml', 'RECOVERED  fridge-03'].map((text) => stdout.indexOf(text));
    expect(order).toEqual([...order].sort((a, b) => a - b));
    expect(order[0]).toBeGreaterThan(0);
    const seconds = Number(/(\d+) s {2}RECOVERED/.exec(stdout)?.[1]);
    expect(seconds).toBeLessThan(60);
    expect((await readdir(join(data, 'mail'))).some((name) => name.endsWith('.eml'))).toBe(true);
  } finally {
    await rm(data, { recursive: true, force: true });
  }
});

it('ends with a reason when Tocsin cannot start', async () => {
  const data = await mkdtemp(join(tmpdir(), 'tocsin-demo-'));
  try {
    const { status, stderr } = await run(['--once', '--data', data, ...FREE_PORTS, '--set', 'http.listen=http://127.0.0.1:1x']);
    expect(status).toBe(1);
    expect(stderr).toContain('Tocsin did not start');
  } finally {
    await rm(data, { recursive: true, force: true });
  }
});
