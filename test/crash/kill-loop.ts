/** Kills the server at random moments under load and starts it again on the same data, so many times; then settles the account. */
import { systemClock } from '../../src/std/clock.ts';
import { type ServerConfig, type StartOptions, startServer, temporaryFolder, writeServerConfig } from '../load/server.ts';
import { startSmtpSink } from '../load/smtp-sink.ts';
import { seededRandom } from '../load/telemetry.ts';
import { type Account, accountFor, caughtUp, mailsSent } from './accounting.ts';
import { FLEET_PROFILES, FLEET_RULES, Fleet, type FleetOptions } from './fleet.ts';

export interface KillLoopOptions {
  readonly runs: number;
  readonly seed: number;
  readonly settings?: ServerConfig['settings'];
  readonly start?: Omit<StartOptions, 'folder'>;
  readonly fleet?: Partial<FleetOptions>;
}

export interface KillLoopResult extends Account {
  readonly sent: number;
  readonly acknowledged: number;
  readonly sentAgain: number;
}

export const DEFAULT_FLEET: FleetOptions = { devicesOfAKind: 12, connectionsOfAKind: 2, readingsPerSecond: 3000, toggleEvery: 150 };
/** Uptime before a kill: some fall into the start's own replay, some into steady load. */
const UP_MS = { min: 50, max: 1500 };
/** How long nothing answers, now and then. */
const DOWN_MS_MAX = 300;
const SETTLE_WAIT_MS = 60_000;

export async function killLoop(options: KillLoopOptions): Promise<KillLoopResult> {
  const random = seededRandom(options.seed);
  using folder = temporaryFolder('crash');
  await using sink = await startSmtpSink();
  await writeServerConfig(folder.path, {
    settings: { email: { smtp: sink.url, from: 'Tocsin <tocsin@localhost>' }, ...options.settings },
    profiles: FLEET_PROFILES,
    rules: FLEET_RULES,
  });
  using fleet = new Fleet({ ...DEFAULT_FLEET, ...options.fleet });
  const start = () => startServer({ ...options.start, folder: folder.path });
  fleet.start();
  for (let run = 0; run < options.runs; run++) {
    await using server = await start();
    fleet.connectTo(server.mqttPort);
    await systemClock.sleep(UP_MS.min + random() * (UP_MS.max - UP_MS.min));
    if (!server.isRunning()) throw new Error(`it ended by itself in run ${run + 1}\nstderr:\n${server.stderrTail()}`);
    await server.kill();
    fleet.connectTo(null);
    await systemClock.sleep(random() * DOWN_MS_MAX);
  }
  await using server = await start();
  fleet.connectTo(server.mqttPort);
  await systemClock.sleep(UP_MS.max);
  fleet.pause();
  await fleet.settled(SETTLE_WAIT_MS);
  await caughtUp(server, SETTLE_WAIT_MS);
  await mailsSent(server, SETTLE_WAIT_MS);
  const account = await accountFor({ server, fleet, mails: sink.mails });
  await server.stop();
  const sentAgain = fleet.devices.reduce((sum, device) => sum + device.sentAgain.size, 0);
  return { ...account, sent: fleet.sent, acknowledged: fleet.acknowledged, sentAgain };
}
