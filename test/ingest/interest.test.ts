import { describe, expect, it } from 'vitest';
import { Interest } from '../../src/ingest/interest.ts';

describe('interest', () => {
  it.each([
    ['a/b', 'a/b', true],
    ['a/b', 'a/c', false],
    ['a/+', 'a/b', true],
    ['a/+', 'a/b/c', false],
    ['a/+', 'a/', true],
    ['+/b', '/b', true],
    ['a/#', 'a', true],
    ['a/#', 'a/b/c', true],
    ['#', 'anything/at/all', true],
    ['+', 'a/b', false],
  ])('%s wants %s: %s', (filter, topic, wanted) => {
    const interest = new Interest();
    expect(interest.isWanted(topic)).toBe(false);
    interest.add(filter);
    expect(interest.isWanted(topic)).toBe(wanted);
    interest.remove(filter);
    expect(interest.isWanted(topic)).toBe(false);
  });

  it('counts: a filter that two clients hold is wanted until both let go', () => {
    const interest = new Interest();
    interest.add('a/+');
    interest.add('a/+');
    interest.remove('a/+');
    expect(interest.isWanted('a/b')).toBe(true);
    interest.remove('a/+');
    expect(interest.isWanted('a/b')).toBe(false);
  });
});
