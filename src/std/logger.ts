/** Logging: a fixed sentence plus fields, so that a log can be searched. JSON on stderr; readable on a terminal. */
import pino from 'pino';

export type Logger = pino.Logger;

/** Diagnostics go to stderr, results to stdout. `LOG_LEVEL` sets the level. */
export function createLogger(name: string): Logger {
  const level = process.env.LOG_LEVEL ?? 'info';
  const options: pino.LoggerOptions = { level, base: { part: name }, timestamp: pino.stdTimeFunctions.isoTime };
  return pino(options, pino.destination({ dest: 2, sync: true }));
}
