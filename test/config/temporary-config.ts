/** A tocsin.yaml in a folder of its own. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export function temporaryConfig(text: string): { readonly path: string; readonly folder: string } & Disposable {
  const folder = mkdtempSync(join(tmpdir(), 'tocsin-config-'));
  const path = join(folder, 'tocsin.yaml');
  writeFileSync(path, text);
  return { path, folder, [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
}
