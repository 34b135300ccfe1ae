/** Everything that a crash or outage test needs round the server: its folder and config, the devices, the mail server, the account at the end. */
import { systemClock } from '../../src/std/clock.ts';
import { type Server, type ServerConfig, type StartOptions, startServer, temporaryFolder, writeServerConfig } from '../load/server.ts';
import { type SmtpSink, startSmtpSink } from '../load/smtp-sink.ts';
import { type Account, accountFor, caughtUp, mailsSent } from './accounting.ts';
import { FLEET_PROFILES, FLEET_RULES, Fleet, type FleetOptions } from './fleet.ts';

export interface StageOptions {
  readonly settings?: ServerConfig['settings'];
  readonly notify?: ServerConfig['notify'];
  readonly start?: Omit<StartOptions, 'folder'>;
  readonly fleet?: Partial<FleetOptions>;
}

export interface Settled extends Account {
  readonly sent: number;
  readonly acknowledged: number;
  readonly sentAgain: number;
}

export interface Stage extends AsyncDisposable {
  readonly folder: string;
  readonly fleet: Fleet;
  readonly sink: SmtpSink;
  /** Starts the server, on the data that the one before has left, and lets the fleet connect to it. */
  start(more?: Omit<StartOptions, 'folder'>): Promise<Server>;
  kill(server: Server): Promise<void>;
  /** Stops the load, waits until everything is acknowledged, stored and sent, and settles the account. */
  settle(server: Server, options?: { readonly waitMs?: number }): Promise<Settled>;
}

const DEFAULT_FLEET: FleetOptions = { devicesOfAKind: 12, connectionsOfAKind: 2, readingsPerSecond: 3000, toggleEvery: 60 };
const SETTLE_WAIT_MS = 60_000;

export async function setUpStage(options: StageOptions = {}): Promise<Stage> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(temporaryFolder('crash'));
  const sink = stack.use(await startSmtpSink());
  await writeServerConfig(folder.path, {
    settings: { email: { smtp: sink.url, from: 'Tocsin <tocsin@localhost>' }, ...options.settings },
    profiles: FLEET_PROFILES,
    rules: FLEET_RULES,
    ...(options.notify === undefined ? {} : { notify: options.notify }),
  });
  const fleet = stack.use(new Fleet({ ...DEFAULT_FLEET, ...options.fleet }));
  const owned = stack.move();
  return {
    folder: folder.path,
    fleet,
    sink,
    async start(more = {}) {
      const server = await startServer({ ...options.start, ...more, folder: folder.path });
      fleet.connectTo(server.mqttPort);
      return server;
    },
    async kill(server) {
      if (!server.isRunning()) throw new Error(`it ended by itself\nstderr:\n${server.stderrTail()}`);
      await server.kill();
      fleet.connectTo(null);
    },
    async settle(server, { waitMs = SETTLE_WAIT_MS } = {}) {
      fleet.pause();
      await fleet.settled(waitMs);
      await caughtUp(server, waitMs);
      await mailsSent(server, waitMs);
      const account = await accountFor({ server, fleet, mails: sink.mails });
      const sentAgain = fleet.devices.reduce((sum, device) => sum + device.sentAgain.size, 0);
      return { ...account, sent: fleet.sent, acknowledged: fleet.acknowledged, sentAgain };
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Asks until it is so; rejects with `what` when it is not in time. */
export async function eventually(what: string, waitMs: number, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = systemClock.monotonicMs() + waitMs;
  while (!(await holds())) {
    if (systemClock.monotonicMs() > deadline) throw new Error(`not within ${waitMs} ms: ${what}`);
    await systemClock.sleep(50);
  }
}
