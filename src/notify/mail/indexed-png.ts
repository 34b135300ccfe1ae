/**
 * A picture of few colours as PNG with a palette: a third of the size of one with four bytes a pixel. Colours that a reader could not tell
 * apart become one, so that the palette is enough. Pure.
 */
import { constants, crc32, deflateSync } from 'node:zlib';

const COLOURS_MAX = 256;
const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

export interface Picture {
  readonly width: number;
  readonly height: number;
  /** Red, green, blue and alpha, not multiplied by it; a byte each, line by line. */
  readonly pixels: Uint8Array;
}

export function indexedPng(picture: Picture): Uint8Array {
  for (let lostBits = 4; ; lostBits++) {
    const indexed = indexed8(picture, lostBits);
    if (indexed !== null) return encoded(picture, indexed);
  }
}

interface Indexed {
  /** Each line begins with the byte of its filter: none. */
  readonly lines: Uint8Array;
  readonly colours: readonly number[];
}

/** Null: more colours than a palette has. Of those that fall together the first one stands for all. */
function indexed8({ width, height, pixels }: Picture, lostBits: number): Indexed | null {
  const view = new DataView(pixels.buffer, pixels.byteOffset, pixels.byteLength);
  const indexes = new Map<number, number>();
  const colours: number[] = [];
  const lines = new Uint8Array((width + 1) * height);
  let before = -1;
  let index: number | undefined;
  for (let i = 0; i < width * height; i++) {
    const colour = view.getUint32(i * 4);
    // Most pixels are like their neighbour.
    if (colour !== before) {
      const key = keyOf(colour, lostBits);
      index = indexes.get(key);
      if (index === undefined) {
        if (colours.length === COLOURS_MAX) return null;
        index = colours.push(colour) - 1;
        indexes.set(key, index);
      }
      before = colour;
    }
    lines[Math.floor(i / width) * (width + 1) + 1 + (i % width)] = index ?? 0;
  }
  return { lines, colours };
}

/** The fainter a colour, the less of it is seen: of one that is nearly clear its opacity is all that counts. */
function keyOf(colour: number, lostBits: number): number {
  const alpha = colour & 0xff;
  const lost = Math.min(8, lostBits + (alpha < 64 ? 2 : alpha < 128 ? 1 : 0));
  const kept = (0xff << lost) & 0xff;
  const rgb = ((kept << 16) | (kept << 8) | kept) & (colour >>> 8);
  return alpha === 0 ? 0 : rgb * 256 + (alpha >> Math.min(lostBits, 6)) + 1;
}

function encoded({ width, height }: Picture, { lines, colours }: Indexed): Uint8Array {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  // Eight bits a pixel, by palette; compression, filter and interlace as they always are.
  header.set([8, 3, 0, 0, 0], 8);
  const palette = Buffer.from(colours.flatMap((colour) => [colour >>> 24, (colour >>> 16) & 0xff, (colour >>> 8) & 0xff]));
  const alphas = Buffer.from(colours.map((colour) => colour & 0xff));
  const data = deflateSync(lines, { level: constants.Z_BEST_COMPRESSION, memLevel: 9 });
  return Buffer.concat([
    SIGNATURE,
    chunk('IHDR', header),
    chunk('PLTE', palette),
    chunk('tRNS', alphas),
    chunk('IDAT', data),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function chunk(type: string, data: Buffer): Buffer {
  const named = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const whole = Buffer.alloc(named.length + 8);
  whole.writeUInt32BE(data.length, 0);
  named.copy(whole, 4);
  whole.writeUInt32BE(crc32(named), named.length + 4);
  return whole;
}
