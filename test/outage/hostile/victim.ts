/** What a well-behaved client notices: the time from publish to acknowledgement while something is going on, from another process. */
import { forkPublisher } from '../../load/fork.ts';
import type { PublisherResult } from '../../load/publisher.ts';

/** As many as a small site sends; every sixteenth is timed. */
const RATE = 800;

export async function measureVictim(port: number, seconds: number, seed: number): Promise<PublisherResult> {
  const found: PublisherResult[] = [];
  await forkPublisher(
    { port, connections: 4, window: 200, warmUpSeconds: 0.5, seconds, seed, rate: RATE, devicePrefix: 'good-' },
    (event) => {
      if (event.event === 'measured') found.push(event.result);
    },
  );
  const [result] = found;
  if (result === undefined) throw new Error('the well-behaved client measured nothing');
  return result;
}
