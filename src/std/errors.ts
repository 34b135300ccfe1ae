/**
 * Errors that a person can act on. `place` is `file:line:column` or a config key; `hint` says what to do about it.
 * Expected rejections are values, not errors; programmer errors are plain assertions.
 */
export class TocsinError extends Error {
  override readonly name: string = 'TocsinError';
  readonly place: string | undefined;
  readonly hint: string | undefined;

  constructor(message: string, options: { place?: string; hint?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.place = options.place;
    this.hint = options.hint;
  }

  /** `place: message` and, where there is one, a second line `hint: …`. */
  render(): string {
    const first = this.place === undefined ? this.message : `${this.place}: ${this.message}`;
    return this.hint === undefined ? first : `${first}\nhint: ${this.hint}`;
  }
}

/** What a caller asked for does not hold: their mistake, and they are told. */
export class InvalidQuery extends TocsinError {
  override readonly name = 'InvalidQuery';
}

/** What a caller asked for cannot be had at present, through no fault of theirs. */
export class Unavailable extends TocsinError {
  override readonly name = 'Unavailable';
}

/** A configuration, profile or rule that does not hold: every problem at once, each with its place. */
export class InvalidConfig extends TocsinError {
  override readonly name = 'InvalidConfig';
  readonly problems: readonly TocsinError[];

  constructor(problems: readonly TocsinError[]) {
    super(problems.map((problem) => problem.render()).join('\n'));
    this.problems = problems;
  }
}

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
