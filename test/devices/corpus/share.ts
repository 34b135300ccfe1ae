/** `npm run corpus`: the share of asserted values of `../shared/data/mqtt` that hold, for each format; `-- --misses` says which do not. */

import { CORPORA } from './all.ts';
import { isThere, runCorpus } from './corpus.ts';

const showsMisses = process.argv.includes('--misses');
for (const corpus of CORPORA) {
  if (!isThere(corpus.file)) {
    console.log(`${corpus.file.padEnd(28)} not there`);
    continue;
  }
  const outcomes = await runCorpus(corpus);
  const asserted = outcomes.flatMap(({ row }) => row.expect).length;
  const missed = outcomes.flatMap(({ misses }) => misses).length;
  const known = outcomes.filter(({ row, misses }) => misses.length > 0 && corpus.not?.[row.id] !== undefined).length;
  const share = asserted === 0 ? 'nothing asserted' : `${asserted - missed} of ${asserted} values`;
  console.log(
    `${corpus.file.padEnd(28)} ${String(outcomes.length).padStart(3)} rows  ${share}${known > 0 ? ` (${known} rows with a reason)` : ''}`,
  );
  for (const { row, misses } of showsMisses ? outcomes : [])
    for (const miss of misses) console.log(`    ${row.id}: ${miss}${corpus.not?.[row.id] === undefined ? '' : ` — ${corpus.not[row.id]}`}`);
}
