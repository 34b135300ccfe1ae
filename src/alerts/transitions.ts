/** Transitions as notifying sees them: a log in the order of the whole fleet, followed by sequence number. */
import type { Transition } from '../domain/alert.ts';

export interface TransitionSource {
  /** Transitions with a higher sequence, in order; those returned are durable. */
  after(sequence: number, limit: number): Transition[];
  /** The highest sequence there is; 0 when there is none. */
  latest(): number;
}
