import { describe, expect, it } from 'vitest';
import { TopicTree } from '../../../src/ingest/persistence/topic-tree.ts';

const CASES: readonly [filter: string, topic: string, matches: boolean][] = [
  ['a/b', 'a/b', true],
  ['a/b', 'a/c', false],
  ['a/b', 'a', false],
  ['a', 'a/b', false],
  ['a/+', 'a/b', true],
  ['a/+', 'a/', true],
  ['a/+', 'a', false],
  ['a/+', 'a/b/c', false],
  ['+', 'a', true],
  ['+', '/a', false],
  ['+/+', '/a', true],
  ['/+', '/a', true],
  ['+/b', '/b', true],
  ['a/+/c', 'a//c', true],
  ['a/#', 'a', true],
  ['a/#', 'a/', true],
  ['a/#', 'a/b/c', true],
  ['a/#', 'ab', false],
  ['a/+/#', 'a/', true],
  ['a/+/#', 'a', false],
  ['#', 'a/b', true],
  ['#', '/', true],
  ['#', '$SYS/a', false],
  ['+/a', '$SYS/a', false],
  ['$SYS/#', '$SYS/a', true],
  ['$SYS/+', '$SYS/a', true],
  ['a/$b', 'a/$b', true],
  ['a/+', 'a/$b', true],
];

describe('a topic tree', () => {
  it.each(CASES)('%s and %s: %s, whichever of them it holds', (filter, topic, matches) => {
    const filters = new TopicTree<string>();
    filters.set(filter, filter);
    const found: string[] = [];
    filters.match(topic, (value) => found.push(value));
    expect(found).toEqual(matches ? [filter] : []);
    const topics = new TopicTree<string>();
    topics.set(topic, topic);
    expect([...topics.select(filter)]).toEqual(matches ? [topic] : []);
  });

  it('holds nothing more of what is deleted, and all of what is not', () => {
    const tree = new TopicTree<number>();
    for (const name of ['a', 'a/b', 'a/b/c', '']) tree.set(name, name.length);
    tree.delete('a/b');
    tree.delete('never/there');
    expect([tree.get('a'), tree.get('a/b'), tree.get('a/b/c'), tree.get(''), tree.size]).toEqual([1, undefined, 5, 0, 3]);
    for (const name of ['a', 'a/b/c', '']) tree.delete(name);
    expect([[...tree.select('#')], tree.size]).toEqual([[], 0]);
  });

  it('may change while it is read', () => {
    const tree = new TopicTree<string>();
    for (const name of ['a/1', 'a/2', 'a/3']) tree.set(name, name);
    const read: string[] = [];
    for (const name of tree.select('a/+')) {
      read.push(name);
      tree.delete(name);
      tree.delete('a/2');
    }
    expect(read).toEqual(['a/1', 'a/3']);
  });
});
