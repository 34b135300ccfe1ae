/** The table in config/README.md is what the command prints, and its advice what the table says. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { NAB_FOLDER, type NabCell, type NabTable, nabTable, renderNab } from '../bench/nab.ts';

const table = nabTable();
const reason = table === null ? ` (there is no ${NAB_FOLDER})` : '';

/** Rows by shape; of each, what stands under every heading. */
function read(markdown: string): Record<string, Record<string, string>> {
  const [head = [], , ...rows] = markdown
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .map((line) => line.slice(2, -2).split(' | '));
  const columns = head.map((heading, index) => (heading === 'a week' ? `${head[index - 1]} a week` : heading));
  return Object.fromEntries(rows.map((cells) => [cells[0] ?? '', Object.fromEntries(cells.map((cell, index) => [columns[index], cell]))]));
}

describe.skipIf(table === null)(`which shape of rule finds what${reason}`, () => {
  const { sets, rows } = table ?? ({ sets: [], rows: [] } satisfies NabTable);
  const cell = (set: string, shape: string): NabCell => {
    const found = rows.find((row) => row.shape === shape)?.cells[sets.findIndex(({ name }) => name === set)];
    if (found === undefined) throw new Error(`no ${set} of ${shape}`);
    return found;
  };

  it('stands in config/README.md as the command prints it', () => {
    const [, section = ''] = readFileSync('config/README.md', 'utf8').split('## Which shape of rule finds what\n');
    const documented = read(section);
    const printed = read(renderNab({ sets, rows }));
    expect(Object.keys(documented)).toEqual(Object.keys(printed));
    // A series that is there and not in the README only adds columns.
    for (const [shape, cells] of Object.entries(documented)) expect(printed[shape]).toMatchObject(cells);
  });

  it.each(sets.map(({ name }) => name))('%s: once per episode finds nearly what every reading finds, with fewer alerts', (set) => {
    const every = cell(set, 'fixed bound, every reading beyond it');
    const once = cell(set, 'fixed bound, once per episode');
    expect(once.found).toBeGreaterThanOrEqual(0.9 * every.found);
    expect(once.perWeek).toBeLessThan(0.5 * every.perWeek);
  });

  it.each(sets.map(({ name }) => name))('%s: a bound nearer to the normal value to clear at loses no window', (set) => {
    const without = cell(set, 'fixed bound, `for`');
    const cleared = cell(set, 'fixed bound, `for`, `clear` at 3σ');
    expect(cleared.found).toBe(without.found);
    expect(cleared.perWeek).toBeLessThanOrEqual(without.perWeek);
  });

  it('a cool-down of hours takes away most alerts and few windows, where there are many', () => {
    const once = cell('servers in a cloud', 'fixed bound, once per episode');
    const cooled = cell('servers in a cloud', 'fixed bound, `keepFiringFor: 3h`');
    expect(cooled.perWeek).toBeLessThan(0.4 * once.perWeek);
    expect(cooled.found).toBeGreaterThanOrEqual(0.9 * once.found);
  });

  it('a slow drift is found by a fixed bound and by no window of a day', () => {
    expect(cell('office temperature', 'fixed bound at 3σ, `for`, `keepFiringFor: 1d`').found).toBe(2);
    for (const { shape, cells } of rows.filter((row) => row.shape.includes("`'1d'`"))) expect([shape, cells[0]?.found]).toEqual([shape, 0]);
  });
});
