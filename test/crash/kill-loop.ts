/** Kills the server at random moments under load and starts it again on the same data, so many times; then settles the account. */
import { systemClock } from '../../src/std/clock.ts';
import { seededRandom } from '../load/telemetry.ts';
import { type Settled, type StageOptions, setUpStage } from './stage.ts';

export interface KillLoopOptions extends StageOptions {
  readonly runs: number;
  readonly seed: number;
}

/** Uptime before a kill: some fall into the start's own replay, some into steady load. */
const UP_MS = { min: 50, max: 1500 };
/** How long nothing answers. */
const DOWN_MS_MAX = 300;
/** Some kills fall between a mail's arrival and the answer to it. */
const MAIL_ANSWER_MS = 30;

export async function killLoop(options: KillLoopOptions): Promise<Settled> {
  const random = seededRandom(options.seed);
  await using stage = await setUpStage(options);
  stage.sink.answerDelayMs = MAIL_ANSWER_MS;
  stage.fleet.start();
  for (let run = 0; run < options.runs; run++) {
    await using server = await stage.start();
    await systemClock.sleep(UP_MS.min + random() * (UP_MS.max - UP_MS.min));
    await stage.kill(server);
    await systemClock.sleep(random() * DOWN_MS_MAX);
  }
  await using server = await stage.start();
  await systemClock.sleep(UP_MS.max);
  const settled = await stage.settle(server);
  await server.stop();
  return settled;
}
