/** Logging: a fixed sentence plus fields, so that a log can be searched. JSON lines on stderr; readable text on a terminal. */
import { isatty } from 'node:tty';
import pino from 'pino';

export type Logger = pino.Logger;

const STDERR = 2;

/** `LOG_LEVEL` sets the level. Written synchronously: a line that was logged is there after a crash. */
export function createLogger(name: string): Logger {
  const options: pino.LoggerOptions = {
    level: process.env.LOG_LEVEL ?? 'info',
    base: { part: name },
    timestamp: pino.stdTimeFunctions.isoTime,
  };
  return pino(options, terminal ?? pino.destination({ dest: STDERR, sync: true }));
}

const terminal = isatty(STDERR)
  ? (await import('pino-pretty')).default({
      destination: STDERR,
      sync: true,
      colorize: true,
      ignore: 'pid,hostname',
      translateTime: 'SYS:HH:MM:ss',
    })
  : null;
