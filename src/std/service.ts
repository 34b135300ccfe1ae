/** Something that runs until it is told to stop. `run` resolves after a clean stop and rejects on a fault. */
export interface Service {
  readonly id: string;
  run(signal: AbortSignal): Promise<void>;
}
