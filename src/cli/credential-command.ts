/** What `tocsin device` and `tocsin user` have in common: names, their passwords and their topics in `credentials.yaml`. */
import { text } from 'node:stream/consumers';
import { type Credential, nameMistake, PASSWORDS_MAX } from '../access/credentials.ts';
import { generatePassword, hashChosen, hashGenerated, parseStored } from '../access/password.ts';
import { loadConfig } from '../config.ts';
import { TocsinError } from '../std/errors.ts';
import { type Command, defineCommand, WrongUsage } from './command.ts';
import { editCredentials, readCredentialsFile } from './credentials-file.ts';
import { shortPath } from './load.ts';
import { columns, printJson } from './print.ts';
import { readPassword } from './read-password.ts';

interface Options {
  readonly config: string;
  readonly set: readonly string[];
  readonly password?: string | undefined;
  readonly 'no-password': boolean;
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
  readonly end: boolean;
  readonly json: boolean;
}

export function credentialCommand(kind: Credential['kind'], help: string): Command {
  const command = defineCommand({
    help,
    options: {
      password: { type: 'string' },
      'no-password': { type: 'boolean', default: false },
      publish: { type: 'string', multiple: true, default: [] },
      subscribe: { type: 'string', multiple: true, default: [] },
      end: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
    positionalsMax: 2,
    run: (options, [verb = 'ls', name]) => run(kind, options, verb, name),
  });
  // `--password` may stand alone: then it is asked for.
  const isAlone = (next: string | undefined): boolean => next === undefined || next.startsWith('-');
  return {
    ...command,
    parse: (argv) => command.parse(argv.map((word, index) => (word === '--password' && isAlone(argv[index + 1]) ? '--password=' : word))),
  };
}

async function run(kind: Credential['kind'], options: Options, verb: string, name: string | undefined): Promise<number> {
  const path = shortPath(loadConfig({ path: options.config, set: options.set, env: process.env }).credentials);
  if (verb === 'ls' && name === undefined) return list(kind, path, options.json);
  if (verb !== 'add' && verb !== 'rotate' && verb !== 'remove')
    throw new WrongUsage(`${kind}: expected ls, add, rotate or remove, found ${verb}`);
  if (name === undefined) throw new WrongUsage(`${kind} ${verb}: which one?`);
  if (verb === 'add') await add(kind, path, name === '-' ? await namesOnStdin(options) : [name], options);
  else if (verb === 'remove') change(kind, path, name, () => null);
  else await rotate(kind, path, name, options);
  process.stderr.write(`${path} is written; a running instance takes it up with tocsin reload\n`);
  return 0;
}

/** A password each, printed once: for one name it alone, for a list with its name before it. */
async function add(kind: Credential['kind'], path: string, names: readonly string[], options: Options): Promise<void> {
  if (options.password !== undefined && options['no-password']) throw new WrongUsage(`${kind} add: --password or --no-password?`);
  for (const name of names) {
    const problem = nameMistake(name);
    if (problem !== null) throw new TocsinError(`${JSON.stringify(name)}: ${problem}`);
  }
  const made = new Map<string, string>();
  const chosen = options.password === undefined ? null : hashChosen(await readPassword(options.password));
  const { publish, subscribe } = options;
  editCredentials(path, kind, (before) => {
    const known = new Set(before.map((one) => one.name));
    return new Map(
      names.map((name) => {
        if (known.has(name))
          throw new TocsinError(`${name} is there already`, {
            place: path,
            hint: `tocsin ${kind} rotate ${name} gives it another password`,
          });
        return [name, { kind, name, passwords: options['no-password'] ? [] : [chosen ?? hashed(name, made)], publish, subscribe }];
      }),
    );
  });
  for (const [name, password] of made) process.stdout.write(names.length === 1 ? `${password}\n` : `${name} ${password}\n`);
}

function hashed(name: string, made: Map<string, string>): string {
  const password = generatePassword();
  made.set(name, password);
  return hashGenerated(password);
}

/** A new password beside the one before it, which counts until `--end`. */
async function rotate(kind: Credential['kind'], path: string, name: string, options: Options): Promise<void> {
  const made = new Map<string, string>();
  const chosen = options.password === undefined ? null : hashChosen(await readPassword(options.password));
  change(kind, path, name, (before) => {
    const [latest] = before.passwords;
    if (options.end) return { ...before, passwords: latest === undefined ? [] : [latest] };
    if (before.passwords.length >= PASSWORDS_MAX)
      throw new TocsinError(`${name} has two passwords already`, {
        place: path,
        hint: `tocsin ${kind} rotate ${name} --end takes the older one away`,
      });
    return { ...before, passwords: [chosen ?? hashed(name, made), ...before.passwords] };
  });
  for (const password of made.values()) process.stdout.write(`${password}\n`);
}

function change(kind: Credential['kind'], path: string, name: string, make: (before: Credential) => Credential | null): void {
  editCredentials(path, kind, (all) => {
    const before = all.find((one) => one.kind === kind && one.name === name);
    if (before === undefined) throw new TocsinError(`there is no ${kind} ${name}`, { place: path, hint: `tocsin ${kind} ls lists them` });
    return new Map([[name, make(before)]]);
  });
}

function list(kind: Credential['kind'], path: string, json: boolean): number {
  const items = readCredentialsFile(path)
    .filter((one) => one.kind === kind)
    .map(({ name, passwords, publish, subscribe }) => ({
      name,
      passwords: passwords.map((stored) => parseStored(stored)?.kind ?? 'unknown'),
      publish,
      subscribe,
    }));
  if (json) printJson({ items, next: null });
  else {
    const rows = items.map((one) => [one.name, one.passwords.join(', '), one.publish.join(' '), one.subscribe.join(' ')]);
    process.stdout.write(columns([['NAME', 'PASSWORDS', 'PUBLISH', 'SUBSCRIBE'], ...rows]));
  }
  return 0;
}

/** One a line. */
async function namesOnStdin({ password }: Options): Promise<string[]> {
  if (password !== undefined) throw new WrongUsage('a list of names, and one password for all of them: leave --password out');
  const names = (await text(process.stdin)).split(/\r?\n/).filter((line) => line !== '');
  if (names.length === 0) throw new TocsinError('no name came in', { hint: 'one a line' });
  return [...new Set(names)];
}
