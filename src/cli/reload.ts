/** `tocsin reload`: the running instance reads its configuration again; what changed is printed, or why nothing was applied. */
import * as z from 'zod';
import { createClient } from './client.ts';
import { CLIENT_OPTIONS, defineCommand } from './command.ts';
import { diffForm, linesOf } from './diff-lines.ts';
import { printJson } from './print.ts';

export const command = defineCommand({
  help: `usage: tocsin reload [--json]

The running instance reads rules, profiles, fleet, notify, credentials and certificates again and applies them, as on
SIGHUP. Prints what changed. An invalid configuration is refused whole: its problems are printed, the one before runs on, and the exit status is 1.
tocsin check --diff says beforehand what would change.

  --json       the API's own answer
  --url URL    the instance; default: http.listen of the config
`,
  options: CLIENT_OPTIONS,
  async run({ json, ...address }) {
    const answer = await createClient(address).post('/reload');
    if (json) {
      printJson(answer);
      return 0;
    }
    const { needsRestart, warnings, ...diff } = answerForm.parse(answer);
    for (const { place, message } of warnings) process.stderr.write(`${place === null ? '' : `${place}: `}warning: ${message}\n`);
    for (const key of needsRestart) process.stderr.write(`warning: ${key} has changed and needs a restart\n`);
    const lines = linesOf(diff);
    process.stdout.write(lines.length === 0 ? 'nothing has changed\n' : `${lines.join('\n')}\n`);
    return 0;
  },
});

const answerForm = diffForm.extend({
  needsRestart: z.array(z.string()),
  warnings: z.array(z.object({ place: z.string().nullable(), message: z.string() })),
});
