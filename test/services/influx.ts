/** A real InfluxDB: `INFLUX_URL` (http://user:password@host:8086), or an `influxd` 1.x of our own, without authentication unless asked for. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Available, freePort, obtainBinary, ServerProcess, temporaryFolder } from './service.ts';

export interface InfluxServer extends AsyncDisposable {
  /** Address without a database. */
  readonly url: string;
  /** The process; null when the server is someone else's (`INFLUX_URL`) and must be left running. */
  readonly process: ServerProcess | null;
  /** The address with credentials and database. */
  databaseUrl(database: string): string;
}

/** @param options.isOwn tests that stop or pause it need one of their own, whatever the environment names */
export async function startInflux(options: { readonly isOwn?: boolean } = {}): Promise<Available<InfluxServer>> {
  const given = process.env.INFLUX_URL;
  if (given !== undefined && given !== '' && options.isOwn !== true) {
    return { available: true, value: { ...addressOf(given), process: null, [Symbol.asyncDispose]: async () => undefined } };
  }
  const binary = await obtainBinary('influxd', 'influxdb');
  if (!binary.available) return binary;
  const folder = await temporaryFolder('influx');
  const [port, backupPort] = [await freePort(), await freePort()];
  await writeFile(join(folder, 'influxdb.conf'), configuration({ folder, port, backupPort }));
  const url = `http://127.0.0.1:${port}`;
  const server = new ServerProcess({
    binary: binary.value,
    args: ['-config', join(folder, 'influxdb.conf')],
    folder,
    isServing: async () => (await fetch(`${url}/ping`)).status === 204,
  });
  await server.start();
  return { available: true, value: { ...addressOf(url), process: server, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() } };
}

function addressOf(text: string): Pick<InfluxServer, 'url' | 'databaseUrl'> {
  const url = text.replace(/\/+$/, '');
  return { url, databaseUrl: (database) => `${url}/${encodeURIComponent(database)}` };
}

/** Loopback only, nothing reported home, quiet. */
const configuration = (options: { folder: string; port: number; backupPort: number }): string => `
reporting-disabled = true
bind-address = "127.0.0.1:${options.backupPort}"
[meta]
  dir = "${join(options.folder, 'meta')}"
[data]
  dir = "${join(options.folder, 'data')}"
  wal-dir = "${join(options.folder, 'wal')}"
  query-log-enabled = false
[http]
  bind-address = "127.0.0.1:${options.port}"
  log-enabled = false
[logging]
  level = "warn"
[monitor]
  store-enabled = false
`;
