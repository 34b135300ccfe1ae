/**
 * What names give away: that a level of a topic names what is measured, and in which unit a metric is most likely measured. A unit by
 * name is a guess: it is given only where what was observed lies where such values lie, and the profile says that it was guessed.
 */
interface Guess {
  readonly words: readonly string[];
  readonly unit: string;
  /** Where values in that unit lie. */
  readonly within: readonly [number, number];
  /** It says so only where it comes last: `current_position` is no current. */
  readonly isLast?: true;
}

const PERCENT: readonly [number, number] = [0, 100];
const ANY: readonly [number, number] = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
const POSITIVE: readonly [number, number] = [0, Number.POSITIVE_INFINITY];

const GUESSES: readonly Guess[] = [
  { words: ['celsius', 'degc', 'tempc', 'tc'], unit: '°C', within: ANY },
  { words: ['fahrenheit', 'degf', 'tempf', 'tf'], unit: '°F', within: ANY },
  { words: ['kwh'], unit: 'kWh', within: ANY },
  { words: ['hpa', 'mbar'], unit: 'hPa', within: ANY },
  { words: ['kpa'], unit: 'kPa', within: ANY },
  { words: ['ppm', 'co2', 'eco2'], unit: 'ppm', within: POSITIVE },
  { words: ['ppb', 'tvoc'], unit: 'ppb', within: POSITIVE },
  { words: ['dbm', 'rssi'], unit: 'dBm', within: [-200, 20] },
  { words: ['snr'], unit: 'dB', within: [-50, 50] },
  { words: ['lux', 'lx', 'illuminance'], unit: 'lx', within: POSITIVE },
  { words: ['mv', 'millivolt', 'millivolts'], unit: 'mV', within: ANY },
  { words: ['percent', 'pct', 'humidity', 'hum', 'rh', 'soc', 'battery', 'moisture'], unit: '%', within: PERCENT },
  { words: ['temperature', 'temp', 'dewpoint'], unit: '°C', within: [-60, 60] },
  { words: ['pressure', 'baro', 'barometer'], unit: 'hPa', within: [300, 1200] },
  { words: ['voltage', 'volt', 'volts', 'vbat'], unit: 'V', within: [0, 1000] },
  { words: ['current', 'amps', 'ampere'], unit: 'A', within: [-1000, 1000], isLast: true },
  { words: ['power', 'watt', 'watts'], unit: 'W', within: ANY, isLast: true },
  { words: ['energy'], unit: 'kWh', within: POSITIVE, isLast: true },
  { words: ['uptime'], unit: 's', within: POSITIVE },
];

/** Beside the words that have a unit. */
const OTHER_WORDS = new Set(
  'state value door window contact motion presence occupancy water leak smoke rain wind speed gust direction light switch relay level flow pm1 pm25 pm10 no2 so2 o3 voc noise sound weight distance position heartbeat online availability status setpoint target tilt vibration tamper count counter gas volume frequency'.split(
    ' ',
  ),
);
const UNIT_WORDS = new Map(GUESSES.flatMap((guess) => guess.words.map((word) => [word, guess] as const)));

/** `airTemperature2` → air, temperature. `co2` is no `co`. */
function wordsIn(name: string): string[] {
  const apart = name.replace(/([a-z])([A-Z])/g, '$1 $2').toLowerCase();
  const words = apart.split(/[^a-z0-9]+/).map((part) => (isWord(part) ? part : part.replace(/\d+$/, '')));
  return words.filter((word) => word !== '');
}

const isWord = (word: string): boolean => UNIT_WORDS.has(word) || OTHER_WORDS.has(word);

/** Whether a level of a topic names what is measured. */
export const isMetricWord = (level: string): boolean => {
  const words = wordsIn(level);
  return words.some(isWord) || isWord(words.join(''));
};

/** @param range what was observed; null: no number. @returns null where the name gives nothing away, or the values contradict it */
export function unitByName(metric: string, range: { readonly min: number; readonly max: number } | null): string | null {
  if (range === null) return null;
  // The last part of a path says what it is, and of its words a later one says more: `battery_voltage` is a voltage.
  const words = wordsIn(metric.split('.').at(-1) ?? metric);
  const guesses = words.flatMap((word, index) => {
    const guess = UNIT_WORDS.get(word);
    return guess === undefined || (guess.isLast === true && index < words.length - 1) ? [] : [guess];
  });
  const whole = UNIT_WORDS.get(words.join(''));
  const [guess] = whole === undefined ? guesses.reverse() : [whole];
  return guess !== undefined && range.min >= guess.within[0] && range.max <= guess.within[1] ? guess.unit : null;
}
