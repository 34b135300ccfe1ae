/**
 * Which topics anybody listens to: so that a publish nobody subscribes to need not travel through the broker's delivery. It never says
 * no where there is somebody.
 */
import { TopicTree } from './persistence/topic-tree.ts';

const TOPICS_REMEMBERED_MAX = 100_000;

export class Interest {
  /** How many hold each filter. */
  readonly #filters = new TopicTree<number>();
  readonly #answers = new Map<string, boolean>();

  add(filter: string): void {
    this.#answers.clear();
    this.#filters.set(filter, (this.#filters.get(filter) ?? 0) + 1);
  }

  remove(filter: string): void {
    this.#answers.clear();
    const count = this.#filters.get(filter) ?? 0;
    if (count <= 1) this.#filters.delete(filter);
    else this.#filters.set(filter, count - 1);
  }

  isWanted(topic: string): boolean {
    if (this.#filters.size === 0) return false;
    const known = this.#answers.get(topic);
    if (known !== undefined) return known;
    let answer = false;
    this.#filters.match(topic, () => {
      answer = true;
    });
    if (this.#answers.size >= TOPICS_REMEMBERED_MAX) this.#answers.clear();
    this.#answers.set(topic, answer);
    return answer;
  }
}
