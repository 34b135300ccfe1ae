/** The loading thread: reads the configuration and answers with it, or with its problems. See `load.ts`. */
import { parentPort } from 'node:worker_threads';
import { loadEverything } from '../cli/load.ts';
import type { ConfigSource } from '../config.ts';
import { InvalidConfig, TocsinError } from '../std/errors.ts';
import { connect } from '../std/rpc.ts';
import { type Answer, asData, type LoadingMethods } from './load.ts';

if (parentPort === null) throw new TocsinError('this module is a worker thread: it is started by load.ts');
const methods: LoadingMethods = { load };
connect(parentPort, methods);

async function load(source: ConfigSource): Promise<Answer> {
  try {
    const { warnings, ...loaded } = await loadEverything(source);
    return { loaded, warnings: warnings.map(asData) };
  } catch (error) {
    if (!(error instanceof InvalidConfig)) throw error;
    return { problems: error.problems.map(asData) };
  }
}
