import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Rejection } from '../../src/domain/reading.ts';
import { BatchWriter } from '../../src/journal/batch.ts';
import { readBatch } from '../../src/journal/batch-reader.ts';

const text = fc.string({ unit: 'binary', maxLength: 20 }).map((value) => value.toWellFormed());
const values = fc.dictionary(text, fc.oneof(fc.double({ noNaN: true }), fc.boolean(), text), { maxKeys: 6 });

it('a batch’s rejections are found without reading its readings', () => {
  const entry = fc.record({ device: text, label: text, profile: fc.option(text), values, isRejected: fc.boolean() });
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 30 }), fc.nat({ max: 30 }), (entries, from) => {
      const writer = new BatchWriter();
      for (const [index, { device, label, profile, values: named, isRejected }] of entries.entries()) {
        const times = { at: index, receivedAt: index, flags: 0 };
        if (!isRejected)
          writer.addReading({ id: device, profile, labels: { [label]: label } }, Object.keys(named), Object.values(named), times);
        else {
          const payload = Buffer.from(label);
          writer.addRejection({ device, topic: label, payload, client: '', receivedAt: index, reason: 'r', detail: '', partial: false });
        }
      }
      const { bytes } = writer.take();
      const read = (visitor: { reading?: () => void }) => {
        const found: [number, Rejection][] = [];
        readBatch(bytes, { ...visitor, rejection: (rejection, index) => void found.push([index, rejection]) }, { from });
        return found;
      };
      expect(read({})).toEqual(read({ reading: () => undefined }));
    }),
  );
});
