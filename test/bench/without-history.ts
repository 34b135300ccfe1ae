/**
 * Tocsin without its history consumer, which is no choice that the product offers: what "durable and evaluated" costs by itself.
 * Takes the arguments of `tocsin run` and prints its ready line.
 */
import { parseArgs } from 'node:util';
import { startApp } from '../../src/app.ts';
import { loadEverything } from '../../src/cli/load.ts';

const { values } = parseArgs({
  allowPositionals: true,
  options: { config: { type: 'string', default: '' }, set: { type: 'string', multiple: true, default: [] } },
});
const loaded = await loadEverything({ path: values.config, set: values.set, env: process.env });
const roles = loaded.config.roles.filter((role) => role !== 'history');
const app = await startApp({ ...loaded, config: { ...loaded.config, roles } });
process.stdout.write(`${JSON.stringify({ event: 'ready', mqtt: app.mqtt, http: app.http })}\n`);
