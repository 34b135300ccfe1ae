/**
 * Units of what LoRaWAN codecs put out, where the name leaves no doubt: names that everyone uses for one unit; Cayenne LPP's, which are
 * known by their channel (`voltage_3`) or by ChirpStack's way of writing them (`temperatureSensor.3`); and the normalized payload of The
 * Things Stack (`air.pressure`). A `battery` is per cent to one vendor and volts to the next: it has none.
 */

const BY_NAME = new Map([
  ['temperature', '°C'],
  ['humidity', '%'],
  ['relative_humidity', '%'],
  ['barometric_pressure', 'hPa'],
  ['co2', 'ppm'],
  ['illuminance', 'lx'],
  ['latitude', '°'],
  ['longitude', '°'],
  ['altitude', 'm'],
  ['accuracy', 'm'],
  ['rssi', 'dBm'],
  ['snr', 'dB'],
  ['loRaSNR', 'dB'],
  ['margin', 'dB'],
  ['batteryLevel', '%'],
  ['temperatureSensor', '°C'],
  ['humiditySensor', '%'],
  ['illuminanceSensor', 'lx'],
  ['barometer', 'hPa'],
  ['accelerometer', 'g'],
  ['gyrometer', '°/s'],
]);

/** Only with a channel: alone, these words are used for anything. */
const BY_CHANNEL = new Map([
  ['luminosity', 'lx'],
  ['voltage', 'V'],
  ['current', 'A'],
  ['frequency', 'Hz'],
  ['percentage', '%'],
  ['concentration', 'ppm'],
  ['power', 'W'],
  ['distance', 'm'],
  ['energy', 'kWh'],
  ['direction', '°'],
  ['unixtime', 's'],
]);

/** By their whole name. https://github.com/TheThingsNetwork/lorawan-devices/blob/master/lib/payload.json */
const EXACT = new Map([
  ['last_battery_percentage.value', '%'],
  ['air.relativeHumidity', '%'],
  ['air.pressure', 'hPa'],
  ['air.lightIntensity', 'lx'],
  ['soil.depth', 'cm'],
  ['soil.moisture', '%'],
  ['soil.ec', 'dS/m'],
  ['soil.n', 'ppm'],
  ['soil.p', 'ppm'],
  ['soil.k', 'ppm'],
  ['wind.speed', 'm/s'],
  ['wind.direction', '°'],
  ['rain.intensity', 'mm/h'],
  ['rain.cumulative', 'mm'],
]);

const CHANNEL = /_\d{1,3}$/;
const AXIS_OR_CHANNEL = /^(?:[xyz]|\d+)$/;

export function lorawanUnit(metric: string): string | null {
  const exact = EXACT.get(metric);
  if (exact !== undefined) return exact;
  const name = metric.split('.').findLast((level) => !AXIS_OR_CHANNEL.test(level)) ?? '';
  const known = BY_NAME.get(name);
  if (known !== undefined || !CHANNEL.test(name)) return known ?? null;
  const bare = name.replace(CHANNEL, '');
  return BY_NAME.get(bare) ?? BY_CHANNEL.get(bare) ?? null;
}
