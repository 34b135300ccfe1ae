/** What the simulated devices of the load tests say: the same for the same seed. */

export type Random = () => number;

/** Mulberry32: numbers in [0, 1), the same sequence for the same seed. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export const deviceName = (index: number, prefix = 'dev-'): string => `${prefix}${String(index + 1).padStart(4, '0')}`;
export const telemetryTopic = (device: string): string => `sensors/${device}/telemetry`;

/** About 36 bytes, such as `{"temperature":21.37,"humidity":45.2}`: 18 to 26 °C and 35 to 55 %, far below the bench's thresholds. */
export function telemetryPayload(random: Random): string {
  const temperature = Math.round(1800 + random() * 800) / 100;
  const humidity = Math.round(350 + random() * 200) / 10;
  return `{"temperature":${temperature},"humidity":${humidity}}`;
}
