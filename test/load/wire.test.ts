/** The load tests stand on these: a packet that is miscounted would be a reading that seems lost. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Histogram, median } from './histogram.ts';
import { asDuplicate, PacketScanner, PUBACK, PUBLISH, publishPacket, pubrelPacket } from './wire.ts';

const acknowledgement = (packetId: number): Buffer => Buffer.from([0x40, 2, packetId >>> 8, packetId & 0xff]);

describe('the packet scanner', () => {
  it('sees every packet once, wherever the stream is cut', () => {
    const packet = fc.oneof(
      fc.integer({ min: 1, max: 65_535 }).map((id) => ({ type: PUBACK, id, bytes: acknowledgement(id) })),
      fc.integer({ min: 0, max: 400 }).map((size) => {
        const bytes = publishPacket({ topic: 'a/b', payload: Buffer.alloc(size, 0x40), qos: 0, packetId: 0 });
        // Two bytes of a PUBLISH' body are the length of its topic.
        return { type: PUBLISH, id: 3, bytes };
      }),
      fc.constant({ type: 13, id: 0, bytes: Buffer.from([0xd0, 0]) }),
    );
    fc.assert(
      fc.property(fc.array(packet, { maxLength: 30 }), fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }), (packets, cuts) => {
        const seen: { type: number; id: number }[] = [];
        const scanner = new PacketScanner((type, id) => seen.push({ type, id }));
        const stream = Buffer.concat(packets.map(({ bytes }) => bytes));
        for (let offset = 0, cut = 0; offset < stream.length; cut++) {
          const size = cuts[cut % cuts.length] ?? 1;
          scanner.push(stream.subarray(offset, offset + size));
          offset += size;
        }
        expect(seen).toEqual(packets.map(({ type, id }) => ({ type, id })));
      }),
    );
  });
});

describe('a publish packet', () => {
  it('is written as MQTT 3.1.1 has it', () => {
    const bytes = publishPacket({ topic: 'a/b', payload: 'x', qos: 1, packetId: 258 });
    expect([...bytes]).toEqual([0x32, 8, 0, 3, 0x61, 0x2f, 0x62, 1, 2, 0x78]);
    expect(asDuplicate(bytes)[0]).toBe(0x3a);
    expect([...pubrelPacket(258)]).toEqual([0x62, 2, 1, 2]);
  });
});

describe('the histogram', () => {
  it('tells quantiles to within a bucket of 2 %', () => {
    const histogram = new Histogram();
    for (let value = 1; value <= 1000; value++) histogram.record(value);
    expect(histogram.quantile(0.5)).toBeGreaterThan(490);
    expect(histogram.quantile(0.5)).toBeLessThan(515);
    expect(histogram.quantile(1)).toBe(1000);
    expect(new Histogram().quantile(0.5)).toBeNaN();
  });

  it('takes the middle of an even number of values between the two middle ones', () => {
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(median([3, 1, 2])).toBe(2);
  });
});
