/** The README's examples hold: each YAML block that names its file is put there, beside the shipped files, and checked. */
import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const SECRETS = { SMTP_PASSWORD: 'x', INFLUX_PASSWORD: 'x' };

function check(folder: string): Promise<{ status: number; output: string }> {
  const args = [join(ROOT, 'src/main.ts'), 'check', '--config', join(folder, 'config/tocsin.yaml')];
  return new Promise((resolve) => {
    execFile(process.execPath, args, { env: { ...process.env, ...SECRETS } }, (error, stdout, stderr) =>
      resolve({ status: error === null ? 0 : Number(error.code ?? -1), output: stdout + stderr }),
    );
  });
}

it('every YAML example of the README passes `tocsin check`', async () => {
  const readme = await readFile(join(ROOT, 'README.md'), 'utf8');
  const blocks = [...readme.matchAll(/```yaml\n# (\S+)\n([\s\S]*?)```/g)].map((match) => ({ path: match[1] ?? '', text: match[2] ?? '' }));
  expect(blocks.map(({ path }) => path)).toEqual([
    'devices/profiles/cold-room.yaml',
    'config/rules/greenhouse.yaml',
    'config/notify.yaml',
    'config/tocsin.yaml',
  ]);
  const folder = await mkdtemp(join(tmpdir(), 'tocsin-readme-'));
  try {
    for (const name of ['config', 'devices']) await cp(join(ROOT, name), join(folder, name), { recursive: true });
    for (const { path, text } of blocks) await writeFile(join(folder, path), text);
    const { status, output } = await check(folder);
    expect({ status, output }).toEqual({ status: 0, output: expect.stringContaining('is good') });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
