import type { Corpus } from './corpus.ts';

/** Plain JSON, or a plain value, under a profile for each kind of value: `zwave/<location>/<node>/<class>/<property>`. */
export const zwaveJsUi: Corpus = {
  file: 'zwave-js-ui',
  profileOf({ topic, payload }) {
    const [prefix, location, , ...property] = (topic ?? '').split('/');
    const text = `topic: "${[prefix, location, '{device}', ...property].join('/')}"\nmaxPast: off\n`;
    const metric = `"${property.join('/')}"`;
    if (!payload?.trimStart().startsWith('{')) return `${text}decode: scalar\nmetrics: {${metric}: {}}`;
    return `${text}time: time\nmetrics: {${metric}: {path: value}}`;
  },
};
