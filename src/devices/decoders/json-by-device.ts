/**
 * Plain JSON that names its device: what `decode: json` is under a profile with `device:`, the path of the device's id in the message. An
 * object is a reading, a list of objects one each, of whichever devices they name. A message without an id is the topic's device's.
 */
import { nameOf } from './fields.ts';
import { type Format, type Part, readJson } from './format.ts';
import { isObject, type JsonPath, lookUp } from './json.ts';
import { Refusal, shown } from './value.ts';

export function jsonByDevice(path: JsonPath): Format {
  const partOf = (element: unknown): Part => {
    if (!isObject(element))
      return { device: null, values: {}, refusals: [new Refusal('not-an-object', `expected objects, found ${shown(element)}`)] };
    return { device: nameOf(lookUp(element, path)), values: element };
  };
  return {
    name: 'json',
    topics: [],
    namesDevices: true,
    bearsTime: false,
    read({ payload }) {
      const document = readJson(payload);
      if (document instanceof Refusal) return document;
      if (Array.isArray(document)) return document.map(partOf);
      return isObject(document) ? [partOf(document)] : new Refusal('not-an-object', `expected a JSON object, found ${shown(document)}`);
    },
  };
}
