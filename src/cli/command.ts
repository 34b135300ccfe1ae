/** What a command is: its help, its options, and what it does with them. `src/main.ts` has the table of them. */
import { type ParseArgsOptionsConfig, parseArgs } from 'node:util';

/** What the process is asked to do from outside, beside its arguments. */
export interface Signals {
  /** Resolves when it is asked to stop. */
  readonly stopped: Promise<void>;
  /** Calls back each time it is asked to read its configuration again; at once when that was before. */
  onReload(callback: () => void): void;
}

export interface Command {
  /** What `--help` prints. */
  readonly help: string;
  /** It serves, rather than to end by itself: the runtime is set up for that, and signals are its to answer. */
  readonly isServer: boolean;
  /** @returns what to run, `help` when it was asked for, or what is wrong with the arguments */
  parse(argv: readonly string[]): { run(signals: Signals): Promise<number> } | 'help' | { wrong: string };
}

/** The arguments mean nothing, which only the command itself could tell. */
export class WrongUsage extends Error {
  override readonly name = 'WrongUsage';
}

/** Options that every command has. */
const COMMON = {
  config: { type: 'string', default: 'config/tocsin.yaml' },
  set: { type: 'string', multiple: true, default: [] },
  help: { type: 'boolean', short: 'h', default: false },
} as const satisfies ParseArgsOptionsConfig;

/** Of a command that asks a running instance. */
export const CLIENT_OPTIONS = {
  url: { type: 'string' },
  json: { type: 'boolean', default: false },
} as const satisfies ParseArgsOptionsConfig;

type Parsed<Options extends ParseArgsOptionsConfig> = ReturnType<typeof parseArgs<{ options: Options & typeof COMMON }>>['values'];

export interface Definition<Options extends ParseArgsOptionsConfig> {
  readonly help: string;
  /** Beside `--config`, `--set` and `--help`. */
  readonly options?: Options;
  /** How many arguments without a name it takes; default none. */
  readonly positionalsMax?: number;
  readonly isServer?: boolean;
  /** @returns the exit status */
  run(options: Parsed<Options>, positionals: readonly string[], signals: Signals): Promise<number>;
}

export function defineCommand<const Options extends ParseArgsOptionsConfig = Record<never, never>>(
  definition: Definition<Options>,
): Command {
  const { help, isServer = false, positionalsMax = 0 } = definition;
  return {
    help,
    isServer,
    parse(argv) {
      let parsed: { values: Parsed<Options>; positionals: string[] };
      try {
        // What was asked for is known to be there from here on: parseArgs gives each option its type.
        const options: Options & typeof COMMON = { ...(definition.options as Options), ...COMMON };
        parsed = parseArgs<{ options: Options & typeof COMMON; allowPositionals: true; args: string[] }>({
          args: [...argv],
          options,
          allowPositionals: true,
        });
      } catch (error) {
        return { wrong: error instanceof Error ? error.message : String(error) };
      }
      const { values, positionals } = parsed;
      if ('help' in values && values.help === true) return 'help';
      const extra = positionals[positionalsMax];
      if (extra !== undefined) return { wrong: `unexpected argument ${extra}` };
      return { run: (signals) => definition.run(values, positionals, signals) };
    },
  };
}
