/**
 * `tocsin explain`: why a device did, or did not, alert. Now: asked of the running instance. At a time in the past: what was
 * recorded until then is replayed here through the rules of the configuration.
 */
import { systemClock } from '../std/clock.ts';
import { createClient } from './client.ts';
import { CLIENT_OPTIONS, type Command, defineCommand, WrongUsage } from './command.ts';
import { explainAt } from './explain-at.ts';
import { explanationForm } from './explain-form.ts';
import { renderExplanation } from './explain-text.ts';
import { printJson } from './print.ts';
import { styleOf } from './style.ts';
import { joinRelativeTimes, timeOption } from './time-option.ts';

const definition = defineCommand({
  help: `usage: tocsin explain DEVICE [RULE] [--at TIME] [--json]

Says why a device did, or did not, alert: each condition with the value of every part of it and why a part is unknown, what
each level waits for, which timers run, what silence means, and every step from the alert to its messages; of rules
that are not for the device, why not. DEVICE may also be the name of a group, such as site=berlin.

  --at TIME    what it was then: 2026-03-01T08:00:00Z, a date, or how long ago: -2h. Replays what was recorded until then
               through the rules of the config, and needs the data folder, not a running instance
  --journal    with --at: replay the journal, which knows when readings were received, instead of the history
  --json       everything, as JSON
  --url URL    the instance; default: http.listen of the config
  --config FILE    default: config/tocsin.yaml

  tocsin explain fridge-01
  tocsin explain fridge-01 fridge-warm --at -2h
`,
  options: { ...CLIENT_OPTIONS, at: { type: 'string' }, journal: { type: 'boolean', default: false } },
  positionalsMax: 2,
  async run({ json, at, journal, ...address }, [device, rule]) {
    if (device === undefined) throw new WrongUsage('explain: which device? tocsin explain DEVICE [RULE]');
    if (journal && at === undefined) throw new WrongUsage('explain: --journal goes with --at');
    const query = { device, ...(rule !== undefined && { rule }) };
    const now = systemClock.now();
    const time = at === undefined ? null : timeOption('--at', at, { now, zone: null });
    if (time !== null && time > now) throw new WrongUsage(`explain: --at ${at}: nobody can tell what will be`);
    const answer =
      time === null ? await createClient(address).get('/explain', query) : await explainAt(query, time, { ...address, journal });
    if (json) printJson(answer);
    else process.stdout.write(renderExplanation(explanationForm.parse(answer), styleOf(process.stdout)));
    return 0;
  },
});

export const command: Command = { ...definition, parse: (argv) => definition.parse(joinRelativeTimes(argv, ['--at'])) };
