/**
 * Keeps a client's answers in order where some of its messages wait for a second write: one that is retained or queued for a session is
 * acknowledged when that is on disk too, and what the same client sent after it is not acknowledged before.
 */
import type { Committed } from '../../journal/group-commit.ts';
import type { Persistence } from './persistence.ts';

export class Answers {
  readonly #persistence: Persistence;
  /** Clients with messages that wait, or may come to wait, for the second write; how many. */
  readonly #holding = new Map<string, number>();

  constructor(persistence: Persistence) {
    this.#persistence = persistence;
  }

  /** Once the journal has it: `take` delivers and keeps the message, and then it is answered when that is durable. */
  taking(client: string | null, take: () => Error | null, answer: Committed): Committed {
    if (client !== null) this.#holding.set(client, (this.#holding.get(client) ?? 0) + 1);
    const finish: Committed = (error) => {
      if (client !== null) this.#release(client);
      answer(error);
    };
    return (error) => {
      const failure = error ?? take();
      if (failure === null) this.#persistence.whenDurable(finish);
      else finish(failure);
    };
  }

  /** For a message that is not kept: as it is, unless an earlier one of its client waits. */
  following(client: string | null, answer: Committed): Committed {
    if (this.#holding.size === 0 || client === null || !this.#holding.has(client)) return answer;
    return (error) => {
      if (error === null && this.#holding.has(client)) this.#persistence.whenDurable(answer);
      else answer(error);
    };
  }

  #release(client: string): void {
    const count = this.#holding.get(client) ?? 0;
    if (count <= 1) this.#holding.delete(client);
    else this.#holding.set(client, count - 1);
  }
}
