/** What a message teaches is durable before the message is acknowledged, and known again after a restart. */
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { createDecoder, type Decoder } from '../../src/devices/decode.ts';
import { createIngest, type Ingest, type Message } from '../../src/ingest/ingest.ts';
import { LearnedFile, type LearnedFileOptions, loadLearned } from '../../src/ingest/learned-file.ts';
import type { Journal } from '../../src/journal/journal.ts';
import { createMemoryJournal } from '../../src/journal/memory.ts';
import { systemClock as clock } from '../../src/std/clock.ts';

const logger = pino({ level: 'silent' });
const CONFIG = 'homeassistant/sensor/cellar/temperature/config';
const DISCOVERY = '{"name":"Temperature","state_topic":"cellar/state","unit_of_measurement":"°C","value_template":"{{ value_json.t }}"}';

interface Started {
  readonly ingest: Ingest;
  readonly decoder: Decoder;
  publish(topic: string, payload: string): Promise<Error | null>;
}

async function start(journal: Journal, file?: LearnedFileOptions): Promise<Started> {
  const directory = { profiles: [], fleet: [], groups: [], unknown: 'accept' } as const;
  const decoder = createDecoder(directory, { devices: 100, metricsPerDevice: 50 });
  const learnedUpTo = file === undefined ? 0 : await loadLearned(file, decoder.learned);
  const options = { decoder, journal, partition: 0, clock, logger, registry: new Registry(), commitWaitMs: 200, learnedUpTo };
  const ingest = await createIngest(options);
  const publish = (topic: string, payload: string): Promise<Error | null> => {
    const message: Message = { topic, payload: Buffer.from(payload), qos: 1, dup: false, packetId: 1, client: 'c' };
    return new Promise((resolve) => ingest.accept(message, resolve));
  };
  return { ingest, decoder, publish };
}

const isKnown = ({ decoder }: Started): boolean => decoder.route('cellar/state') !== null;

describe('what a discovery message teaches', () => {
  it('holds after a restart, from the journal alone', async () => {
    const journal = createMemoryJournal({ clock });
    const first = await start(journal);
    expect(isKnown(first)).toBe(false);
    expect(await first.publish(CONFIG, DISCOVERY)).toBeNull();
    expect(isKnown(first)).toBe(true);
    const second = await start(journal);
    expect(isKnown(second)).toBe(true);
    expect(second.decoder.learned.description('cellar').units).toEqual({ t: '°C' });
    await second.publish(CONFIG, '');
    expect(isKnown(second)).toBe(false);
    expect(isKnown(await start(journal))).toBe(false);
  });

  it('is not acknowledged while the journal cannot take it, and is journaled when it is sent again', async () => {
    const journal = createMemoryJournal({ clock, bytesMax: 600, holders: ['history'] });
    const first = await start(journal);
    expect(await first.publish('sensors/d/telemetry', 'x'.repeat(300))).toBeNull();
    expect(await first.publish(CONFIG, DISCOVERY)).not.toBeNull();
    await journal.release('history', 0, journal.range(0).head);
    expect(await first.publish(CONFIG, DISCOVERY)).toBeNull();
    expect(isKnown(await start(journal))).toBe(true);
  });
});

describe('learned.json', () => {
  const optionsFor = (journal: Journal): LearnedFileOptions => {
    const path = join(mkdtempSync(join(tmpdir(), 'tocsin-learned-')), 'learned.json');
    return { path, journal, partition: 0, clock: { ...clock, sleep: () => clock.sleep(1) }, logger };
  };

  /** Runs until the file says what the decoder knows. */
  async function save(options: LearnedFileOptions, { decoder }: Started): Promise<void> {
    const stop = new AbortController();
    const running = new LearnedFile(options, { position: 0, learned: () => decoder.learned }).run(stop.signal);
    await expect.poll(() => readFileSync(options.path, 'utf8')).toContain('cellar');
    stop.abort();
    await running;
  }

  it('outlives what the journal has forgotten', async () => {
    const journal = createMemoryJournal({ clock });
    const options = optionsFor(journal);
    const first = await start(journal, options);
    await first.publish(CONFIG, DISCOVERY);
    await save(options, first);
    // A journal with the same id that holds nothing of it any more.
    const later = Object.assign(Object.create(createMemoryJournal({ clock })), { id: journal.id });
    expect(isKnown(await start(later, { ...options, journal: later }))).toBe(true);
  });

  it('gives way to what the journal says later', async () => {
    const journal = createMemoryJournal({ clock });
    const options = optionsFor(journal);
    const first = await start(journal, options);
    await first.publish(CONFIG, DISCOVERY);
    await save(options, first);
    await first.publish(CONFIG, '');
    expect(isKnown(await start(journal, options))).toBe(false);
  });

  it.each([
    ['damaged', '{"journal": "x", "position": 3, "lear'],
    ['of another shape', '{"journal": "x", "position": 3, "learned": [1]}'],
    ['of another journal', '{"journal": "x", "position": 3, "learned": [["topic cellar/state", "{}"]]}'],
  ])('that is %s is left aside', async (_, text) => {
    const journal = createMemoryJournal({ clock });
    const options = optionsFor(journal);
    writeFileSync(options.path, text);
    const first = await start(journal, options);
    expect(isKnown(first)).toBe(false);
    await first.publish(CONFIG, DISCOVERY);
    expect(isKnown(await start(journal, options))).toBe(true);
  });
});
