import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Kept } from '../../../src/notify/dispatch/kept.ts';
import { NOTIFY_STATE_MIGRATION, StateRows } from '../../../src/notify/dispatch/state-rows.ts';
import { type Database, openDatabase } from '../../../src/sqlite/database.ts';

let folder = '';
let files = 0;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tocsin-state-rows-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const newFile = (): string => join(folder, `state-${files++}.db`);
function opened(path: string): Database {
  const database = openDatabase(path);
  database.migrate('notify-state', [NOTIFY_STATE_MIGRATION]);
  return database;
}

describe('the rows of the state', () => {
  it('are there when the file is opened again, each kind by itself', () => {
    const path = newFile();
    const values: [string, unknown][] = [
      ['a/1', { since: 1_772_000_000_000_000, text: 'Kühl ❄ "x"\u0000\ud800', list: [1, null, true] }],
      ['ключ\u0000', 'text'],
      ['', 0],
    ];
    {
      using database = opened(path);
      const rows = new StateRows(database);
      database.transaction(() => {
        rows.write('group', { set: values, deleted: [] });
        rows.write('mute', { set: [['a/1', null]], deleted: ['never there'] });
      });
    }
    using database = opened(path);
    const rows = new StateRows(database);
    expect(Object.fromEntries(rows.load('group'))).toEqual(Object.fromEntries(values));
    expect(rows.load('mute')).toEqual([['a/1', null]]);
    expect(rows.load('other')).toEqual([]);
    rows.write('group', { set: [['', 1]], deleted: ['a/1', 'ключ\u0000'] });
    expect(rows.load('group')).toEqual([['', 1]]);
    expect(rows.load('mute')).toEqual([['a/1', null]]);
  });

  it('are by key, in whatever order they were written', () => {
    using database = opened(newFile());
    const rows = new StateRows(database);
    for (const key of ['b', 'c', 'a']) rows.write('group', { set: [[key, key]], deleted: [] });
    expect(rows.load('group').map(([key]) => key)).toEqual(['a', 'b', 'c']);
  });

  it('are not written when the caller’s transaction fails', () => {
    using database = opened(newFile());
    const rows = new StateRows(database);
    rows.write('group', { set: [['a', 1]], deleted: [] });
    const failing = (): void =>
      database.transaction(() => {
        rows.write('group', {
          set: [
            ['a', 2],
            ['b', 2],
          ],
          deleted: [],
        });
        throw new Error('the cursor could not be moved');
      });
    expect(failing).toThrow('the cursor could not be moved');
    expect(rows.load('group')).toEqual([['a', 1]]);
  });

  const refused: [name: string, value: unknown, message: string][] = [
    ['undefined', undefined, 'group a has no value that JSON can hold'],
    ['Infinity, deep inside', { timers: [{ due: Infinity }] }, 'due is Infinity, which JSON cannot hold'],
    ['no number', { value: Number.NaN }, 'value is NaN, which JSON cannot hold'],
  ];
  it.each(refused)('hold no %s, which would come back as something else', (_name, value, message) => {
    using database = opened(newFile());
    expect(() => new StateRows(database).write('group', { set: [['a', value]], deleted: [] })).toThrow(message);
  });

  it('say where a damaged one is', () => {
    const path = newFile();
    using database = opened(path);
    database.exec(`INSERT INTO notify_state VALUES ('group', 'a', '{"x":')`);
    expect(() => new StateRows(database).load('group')).toThrow(`${path} holds a damaged row of notify_state, group "a"`);
  });

  it('take ten thousand in a moment', () => {
    using database = opened(newFile());
    const rows = new StateRows(database);
    const set = Array.from({ length: 10_000 }, (_, index): [string, unknown] => [`key-${index}`, { index, at: [index, index + 1] }]);
    const began = performance.now();
    for (let i = 0; i < 2; i++) database.transaction(() => rows.write('group', { set, deleted: [] }));
    expect(rows.load('group')).toHaveLength(10_000);
    database.transaction(() => rows.write('group', { set: [], deleted: set.map(([key]) => key) }));
    expect(rows.load('group')).toEqual([]);
    // Some 200 ms; with a transaction or a statement of its own each row would take minutes.
    expect(performance.now() - began).toBeLessThan(5000);
  });

  it('hold what is kept, over any number of starts', () => {
    const step = fc.record({
      kind: fc.constantFrom('set', 'delete', 'write', 'reopen'),
      key: fc.string({ unit: 'grapheme', maxLength: 3 }),
      value: fc.jsonValue(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const path = newFile();
        let database = opened(path);
        try {
          let kept = new Kept<{ value: unknown }>();
          const write = (): void => database.transaction(() => new StateRows(database).write('group', kept.takeChanges()));
          for (const { kind, key, value } of [...steps, { kind: 'reopen', key: '', value: null }]) {
            if (kind === 'set') kept.set(key, { value });
            if (kind === 'delete') kept.delete(key);
            if (kind === 'write' || kind === 'reopen') write();
            if (kind !== 'reopen') continue;
            database.close();
            database = opened(path);
            const before = new Map([...kept.keys()].map((each) => [each, JSON.stringify(kept.get(each))]));
            kept = new Kept();
            kept.load(new StateRows(database).load('group').map(([each, loaded]) => [each, { value: innerOf(loaded) }]));
            expect(new Map([...kept.keys()].map((each) => [each, JSON.stringify(kept.get(each))]))).toEqual(before);
          }
        } finally {
          database.close();
        }
      }),
      { numRuns: 30 },
    );
  });
});

function innerOf(loaded: unknown): unknown {
  if (typeof loaded !== 'object' || loaded === null || !('value' in loaded)) throw new Error('not what was written');
  return loaded.value;
}
