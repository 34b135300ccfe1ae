/**
 * A notifying service in a process of its own, to be killed: `node killed.ts FOLDER SMTP_URL [silence]`. Its one alert fires at
 * once. With `silence` somebody silences it, and the process says when that has been done.
 */
import { startNotifying, TransitionLog } from './fixtures.ts';

const [folder, smtp, operation] = process.argv.slice(2);
if (folder === undefined || smtp === undefined) throw new Error('usage: killed.ts FOLDER SMTP_URL [silence]');
const log = new TransitionLog();
log.add('firing', { id: 'a' });
const { notifying } = startNotifying({ folder, smtp, log });
if (operation === 'silence') {
  const match = { levels: null, rules: null, devices: ['fridge-*'], alerts: null, labels: {} };
  const silence = { id: 's1', match, by: 'anna', comment: 'moving', startsAt: log.now(), endsAt: null };
  const result = notifying.operate({ kind: 'silence', silence });
  process.stdout.write(`${JSON.stringify(result)}\n`);
}
