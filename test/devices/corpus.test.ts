/** Every asserted value of the real payloads holds, or the corpus' file here says why not. */
import { describe, expect, it } from 'vitest';
import { CORPORA } from './corpus/all.ts';
import { type Corpus, isThere, type Outcome, runCorpus } from './corpus/corpus.ts';

const outcomesOf = new Map<Corpus, Outcome[]>();
for (const corpus of CORPORA) if (isThere(corpus.file)) outcomesOf.set(corpus, await runCorpus(corpus));

for (const corpus of CORPORA) {
  describe.skipIf(!isThere(corpus.file))(`real payloads: ${corpus.file} (skipped where ../shared/data is missing)`, () => {
    const outcomes = outcomesOf.get(corpus) ?? [];
    it.each(outcomes.map((outcome) => [outcome.row.id, outcome] as const))('%s', (id, { misses }) => {
      if (corpus.not?.[id] === undefined) expect(misses).toEqual([]);
      else expect(misses, `${id} holds by now: take it off the list of what cannot`).not.toEqual([]);
    });
  });
}
