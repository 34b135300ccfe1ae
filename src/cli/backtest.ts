/** `tocsin backtest`: the alerts and messages that rules would have made of what was recorded, or of a CSV file. */
import { relative, resolve } from 'node:path';
import { isTimeZone } from '../devices/time.ts';
import type { DeviceDirectory, Profile } from '../domain/device.ts';
import { MICROSECONDS_PER_MILLISECOND } from '../domain/reading.ts';
import { backtest, type RuleSet } from '../replay/backtest.ts';
import { difference } from '../replay/difference.ts';
import { type CsvReport, csvSource } from '../replay/sources/csv-source.ts';
import { deviceResolver } from '../replay/sources/history-source.ts';
import type { Source, TimeRange } from '../replay/sources/source.ts';
import { warmupMsOf } from '../replay/warmup.ts';
import { compileRules } from '../rules/compile.ts';
import { isBuiltIn } from '../self/self-rules.ts';
import { systemClock } from '../std/clock.ts';
import { TocsinError } from '../std/errors.ts';
import { hintFor } from '../std/form.ts';
import { withTimes } from '../web/times.ts';
import { type Report, renderReport, reportData } from './backtest-report.ts';
import { type Command, defineCommand, WrongUsage } from './command.ts';
import { type Loaded, loadEverything } from './load.ts';
import { type LoggedOperations, loggedOperations } from './logged-operations.ts';
import { limitOf, printable, printJson } from './print.ts';
import { Progress } from './progress.ts';
import { knownDevices, openRecorded } from './recorded.ts';
import { joinRelativeTimes, timeOption } from './time-option.ts';

const DAY_US = 86_400_000_000;
const PERIOD_DEFAULT_US = 7 * DAY_US;
/** What `--json` has of each set; text has `--limit`. */
const JSON_MESSAGES_MAX = 100_000;
const EVER: TimeRange = { from: Number.MIN_SAFE_INTEGER, to: Number.MAX_SAFE_INTEGER };

const definition = defineCommand({
  help: `usage: tocsin backtest [--from TIME] [--to TIME] [--rules DIR] [--against DIR] [--journal | --csv FILE --device ID] [options]

Runs the rules over what was recorded, and prints the alerts and the messages that would have been. Nothing is sent, and
nothing is written; an instance that runs on the same data is not disturbed.

  --from TIME      2026-03-01T08:00:00Z, a date, or how long ago: -7d, which is the default
  --to TIME        default: now
  --rules DIR      rules other than those of the config
  --against DIR    a second rule set over the same readings: prints how its outcome differs, instead of the lists
  --journal        the journal instead of the history: shorter, and with the times at which readings were received
  --csv FILE       a file instead: a header, a column for the time, the others metrics; by default all of it
  --device ID      whose readings the file has
  --profile NAME   what that device is, where fleet.yaml does not say; default: the profile that the rules are for
  --timezone ZONE  of times that name none, in the file and above: Europe/Berlin, UTC
  --no-operations  leaves out what people did (acknowledgements, silences); of what was recorded it is done again, as the
                   running instance's log has it
  --url URL        that instance; default: http.listen of the config
  --limit N        how many alerts and messages are printed; default 50
  --json           everything as JSON
  --config FILE    default: config/tocsin.yaml

  tocsin backtest --from -30d --rules new-rules
  tocsin backtest --against new-rules
  tocsin backtest --csv logger.csv --device fridge-01 --timezone UTC
`,
  options: {
    from: { type: 'string' },
    to: { type: 'string' },
    rules: { type: 'string' },
    against: { type: 'string' },
    journal: { type: 'boolean', default: false },
    csv: { type: 'string' },
    device: { type: 'string' },
    profile: { type: 'string' },
    timezone: { type: 'string' },
    'no-operations': { type: 'boolean', default: false },
    url: { type: 'string' },
    limit: { type: 'string', default: '50' },
    json: { type: 'boolean', default: false },
  },
  run: (options) => run(options),
});

export const command: Command = { ...definition, parse: (argv) => definition.parse(joinRelativeTimes(argv, ['--from', '--to'])) };

interface Options {
  readonly config: string;
  readonly set: readonly string[];
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  readonly rules?: string | undefined;
  readonly against?: string | undefined;
  readonly journal: boolean;
  readonly csv?: string | undefined;
  readonly device?: string | undefined;
  readonly profile?: string | undefined;
  readonly timezone?: string | undefined;
  readonly 'no-operations': boolean;
  readonly url?: string | undefined;
  readonly limit: string;
  readonly json: boolean;
}

async function run(options: Options): Promise<number> {
  const limit = limitOf(options.limit);
  if (typeof limit === 'string') throw new WrongUsage(limit);
  const period = periodOf(options);
  const loaded = await load(options, options.rules);
  const other = options.against === undefined ? null : await load(options, options.against);
  const sets = [setOf(loaded), ...(other === null ? [] : [setOf(other)])];
  const warmupMs = period.from === null ? 0 : warmupMsOf(sets.flatMap((set) => set.rules));
  const range = {
    from: period.from === null ? EVER.from : period.from - warmupMs * MICROSECONDS_PER_MILLISECOND,
    to: period.to ?? EVER.to,
  };
  const { source, directory, csv, strangers } = await open(loaded, range, { ...options, sets });
  await using opened = source;
  const { operations, remarks } = await operationsFor(options, { ...range, data: loaded.config.data });
  const progress = new Progress('backtest');
  const startedMs = systemClock.monotonicMs();
  const result = await backtest({
    source: opened,
    sets,
    directory,
    notify: loaded.notify,
    publicUrl: loaded.config.http.publicUrl,
    operations,
    ...period,
    startsAt: period.from === null ? null : range.from,
    messagesMax: options.json ? JSON_MESSAGES_MAX : limit,
    onProgress: (readings) => progress.update(opened.fraction(), readings),
  }).finally(() => progress.done());
  const [first, second] = result.sets;
  const report: Report = {
    result,
    difference: first === undefined || second === undefined ? null : difference(first, second),
    source: opened.name,
    tookMs: systemClock.monotonicMs() - startedMs,
    warmupMs,
    remarks,
    limit,
  };
  if (csv !== null) tellOf(csv, sets);
  if (strangers.size > 0) {
    const some = [...strangers].slice(0, 3).join(', ');
    const hint = 'they count as devices without a profile: list them in fleet.yaml, or make data/state.db readable';
    process.stderr.write(`warning: nothing says what ${strangers.size} of the devices are, such as ${printable(some)}\nhint: ${hint}\n`);
  }
  if (options.json) printJson(withTimes(reportData(report, csv)));
  else process.stdout.write(renderReport(report));
  return 0;
}

/** A file is of no instance; and whoever wants none gets none. */
async function operationsFor(options: Options, range: TimeRange & { readonly data: string }): Promise<LoggedOperations> {
  if (options.csv !== undefined || options['no-operations']) return { operations: [], remarks: [] };
  return loggedOperations(options, range);
}

/** Null: as far as the file goes. */
function periodOf(options: Options): { readonly from: number | null; readonly to: number | null } {
  const { csv, device, journal, timezone } = options;
  if (csv !== undefined && journal) throw new WrongUsage('--csv and --journal: one of them');
  if (csv !== undefined && device === undefined) throw new WrongUsage('--csv needs --device, the id of the device whose readings it has');
  if (csv === undefined && options.profile !== undefined)
    throw new WrongUsage('--profile goes with --csv: of what was recorded it is known');
  if (csv === undefined && device !== undefined)
    throw new WrongUsage('--device goes with --csv: a rule says itself which devices it is for');
  if (timezone !== undefined && !isTimeZone(timezone)) throw new WrongUsage(`--timezone ${timezone}: no IANA time zone`);
  const now = systemClock.now();
  const timeOf = (name: 'from' | 'to'): number | null => {
    const text = options[name];
    return text === undefined ? null : timeOption(`--${name}`, text, { now, zone: timezone ?? null });
  };
  const to = timeOf('to') ?? (csv === undefined ? now : null);
  const from = timeOf('from') ?? (csv === undefined && to !== null ? to - PERIOD_DEFAULT_US : null);
  if (from !== null && to !== null && from >= to) throw new WrongUsage('--from must be before --to');
  return { from, to };
}

/** Everything as `run` would load it, with the rules of another folder where one is given. */
function load({ config, set }: Options, rules: string | undefined): Promise<Loaded> {
  const overrides = rules === undefined ? set : [...set, `rules=${resolve(rules)}`];
  return loadEverything({ path: config, set: overrides, env: process.env });
}

/** The rules of the folder: what Tocsin says of itself is nothing to be tried out. */
function setOf({ config, rules: all, directory }: Loaded): RuleSet {
  const rules = all.filter((rule) => !isBuiltIn(rule));
  return { name: relative('.', config.rules) || '.', rules, compiled: compileRules(rules, directory).compiled };
}

interface Opened {
  readonly source: Source;
  readonly directory: DeviceDirectory;
  readonly csv: CsvReport | null;
  /** Devices that were met, and of which nobody knows what they are. */
  readonly strangers: ReadonlySet<string>;
}

async function open({ config, directory }: Loaded, range: TimeRange, options: Options & { sets: readonly RuleSet[] }): Promise<Opened> {
  const { csv: path, device: id, journal } = options;
  if (path !== undefined && id !== undefined) {
    const known = deviceResolver(directory, knownDevices(config.data) ?? new Map())(id, null);
    const profile = profileOf(known.profile, directory, options);
    const device = { ...known, profile: profile?.name ?? null };
    const source = csvSource({ path, device, profile, zone: options.timezone ?? profile?.timezone ?? null, range });
    // The other devices are not in the file: that is no silence of theirs.
    const fleet = directory.fleet.filter((listed) => listed.id === id);
    return { source, directory: { ...directory, fleet }, csv: source.report, strangers: new Set() };
  }
  const recorded = await openRecorded({ config, directory }, range, journal ? 'journal' : 'history');
  return { ...recorded, directory, csv: null };
}

/** What the device of a file is: a file has no topic that would tell. */
function profileOf(known: string | null, directory: DeviceDirectory, options: Options & { sets: readonly RuleSet[] }): Profile | null {
  const names = directory.profiles.map(({ name }) => name);
  const { profile: wanted, sets } = options;
  if (wanted !== undefined && !names.includes(wanted))
    throw new TocsinError(`--profile: there is no profile ${wanted}`, { hint: hintFor(wanted, names) });
  const ofRules = new Set(sets.flatMap(({ rules }) => rules.flatMap(({ selector }) => selector.profile ?? [])));
  const [only] = ofRules;
  const name = wanted ?? known ?? (ofRules.size === 1 ? only : undefined);
  if (wanted === undefined && known === null && name !== undefined)
    process.stderr.write(`${options.device} is taken for a ${name}, which the rules are for; --profile says otherwise\n`);
  return directory.profiles.find((profile) => profile.name === name) ?? null;
}

/** What of the file could not be used, and what the rules look for in it in vain. */
function tellOf(report: CsvReport, sets: readonly RuleSet[]): void {
  const lines = [...report.shown];
  if (report.refused > report.shown.length) lines.push(`… and ${report.refused - report.shown.length} more that could not be used`);
  if (report.late > 0) lines.push(`${report.late} rows are older than a row before them and count as late: sort the file by time`);
  const { device } = report;
  const rules = sets.flatMap(({ compiled }) => compiled.filter((rule) => rule.matches(device)));
  const programs = rules.map((rule) => rule.programFor(device.profile)).filter((program) => program !== null);
  for (const metric of new Set(programs.flatMap((program) => program.metrics))) {
    if (!report.metrics.includes(metric)) lines.push(`a rule asks for ${metric}, and no column is called that`);
  }
  if (programs.length === 0) lines.push(`no rule is for ${device.id}${device.profile === null ? ', which has no profile' : ''}`);
  for (const line of lines) process.stderr.write(`${printable(line)}\n`);
}
