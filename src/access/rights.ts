/**
 * What one connection may publish, read and subscribe to. A publish asks for each message, so answers are remembered by topic: the next
 * message on the same topic costs a comparison or a lookup. Bounded: past so many topics it begins anew.
 */
import type { Credential } from './credentials.ts';
import type { OwnTopics } from './own-topics.ts';
import { covers, matchesTopic, type TopicFilter } from './topic-filter.ts';

/** The rules behind the answers. A changed configuration exchanges them. */
export interface Rules {
  mayPublish(topic: string): boolean;
  mayRead(topic: string): boolean;
  maySubscribe(filter: string): boolean;
}

const REMEMBERED_MAX = 1000;

export class Rights {
  #rules: Rules;
  readonly #publish = new Answers();
  readonly #read = new Answers();

  constructor(rules: Rules) {
    this.#rules = rules;
  }

  mayPublish(topic: string): boolean {
    // There is nothing to remember of it.
    if (this.#rules === EVERYTHING) return true;
    return this.#publish.of(topic) ?? this.#publish.keep(topic, this.#rules.mayPublish(topic));
  }

  mayRead(topic: string): boolean {
    return this.#read.of(topic) ?? this.#read.keep(topic, this.#rules.mayRead(topic));
  }

  maySubscribe(filter: string): boolean {
    return this.#rules.maySubscribe(filter);
  }

  change(rules: Rules): void {
    this.#rules = rules;
    this.#publish.clear();
    this.#read.clear();
  }
}

/** Most connections have one topic: it needs no table. */
class Answers {
  #topic: string | null = null;
  #answer = false;
  #others: Map<string, boolean> | null = null;

  of(topic: string): boolean | undefined {
    return topic === this.#topic ? this.#answer : this.#others?.get(topic);
  }

  keep(topic: string, answer: boolean): boolean {
    if (this.#topic === null) {
      this.#topic = topic;
      this.#answer = answer;
      return answer;
    }
    this.#others ??= new Map();
    if (this.#others.size >= REMEMBERED_MAX) this.#others.clear();
    this.#others.set(topic, answer);
    return answer;
  }

  clear(): void {
    this.#topic = null;
    this.#others = null;
  }
}

export const NOTHING: Rules = { mayPublish: () => false, mayRead: () => false, maySubscribe: () => false };

/** Of a client without a name, where those may connect. The broker's own topics are for users who may. */
export const EVERYTHING: Rules = {
  mayPublish: () => true,
  mayRead: (topic) => !topic.startsWith('$'),
  maySubscribe: (filter) => !filter.startsWith('$'),
};

/** What a user's list says; for a device its own topics besides. */
export function rulesOf(who: Pick<Credential, 'kind' | 'name' | 'publish' | 'subscribe'>, own: OwnTopics): Rules {
  const { name, publish, subscribe } = who;
  const subscribed = subscribe.map(split);
  const device = who.kind === 'device' ? own : null;
  return {
    mayPublish: (topic) => publish.some((filter) => matchesTopic(filter, topic)) || device?.mayPublish(name, topic) === true,
    mayRead: (topic) => subscribe.some((filter) => matchesTopic(filter, topic)) || device?.mayRead(name, topic) === true,
    maySubscribe: (filter) => subscribed.some((one) => covers(one, split(filter))) || device?.maySubscribe(name, filter) === true,
  };
}

const split = (topic: string): TopicFilter => topic.split('/');
