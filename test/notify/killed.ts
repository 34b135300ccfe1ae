/** A notifying service in a process of its own, to be killed: `node killed.ts FOLDER SMTP_URL`. Its one alert fires at once. */
import { startNotifying, TransitionLog } from './fixtures.ts';

const [folder, smtp] = process.argv.slice(2);
if (folder === undefined || smtp === undefined) throw new Error('usage: killed.ts FOLDER SMTP_URL');
const log = new TransitionLog();
log.add('firing', { id: 'a' });
startNotifying({ folder, smtp, log });
