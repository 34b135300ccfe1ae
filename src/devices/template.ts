/**
 * Topic templates: `sensors/{device}/telemetry`. `{device}` and `{metric}` capture one level, any other `{name}` becomes a
 * label, `#` at the end stands for any further levels (also for none), everything else is literal. Of several that match, the one
 * with the most literal levels wins; of those, one without `#`.
 */

export interface TopicTemplate {
  readonly text: string;
  /** Without the `#`. */
  readonly levels: readonly TemplateLevel[];
  /** True when it ends with `#`. */
  readonly isOpen: boolean;
  readonly literals: number;
  readonly namesDevice: boolean;
}

type TemplateLevel = { readonly literal: string } | { readonly capture: string };

export interface TopicMatch {
  /** Null: the template has no {device}. */
  readonly device: string | null;
  readonly metric: string | null;
  readonly labels: Readonly<Record<string, string>>;
  /** The levels that `#` stands for. */
  readonly rest: readonly string[];
}

const CAPTURE = /^\{([A-Za-z_][\w-]{0,63})\}$/;
const LEVELS_MAX = 32;
const NO_LEVELS: readonly string[] = Object.freeze([]);

/** @returns what is wrong with it, as a sentence, when it is no template */
export function parseTemplate(text: string): TopicTemplate | string {
  const levels: TemplateLevel[] = [];
  const names = new Set<string>();
  const parts = text.split('/');
  if (parts.length > LEVELS_MAX) return `a topic has at most ${LEVELS_MAX} levels`;
  const isOpen = parts.at(-1) === '#';
  if (isOpen) parts.pop();
  for (const part of parts) {
    const name = CAPTURE.exec(part)?.[1];
    if (name === undefined) {
      if (/[{}]/.test(part)) return `${JSON.stringify(part)}: a {name} takes a whole level, and is made of letters, digits, _ and -`;
      if (/[+#]/.test(part)) {
        return `${JSON.stringify(part)}: + is no wildcard here, and # only as the last level; write {device}, {metric} or {any label}`;
      }
      levels.push({ literal: part });
      continue;
    }
    if (names.has(name)) return `{${name}} stands in it twice`;
    if (name === '__proto__') return `{${name}} is no name for a label`;
    names.add(name);
    levels.push({ capture: name });
  }
  if (levels.length === 0) return 'it names no level';
  return { text, levels, isOpen, literals: levels.length - names.size, namesDevice: names.has('device') };
}

/** @param levels the topic, split at `/` */
export function matchTemplate(template: TopicTemplate, levels: readonly string[]): TopicMatch | null {
  const count = template.levels.length;
  if (template.isOpen ? levels.length < count : levels.length !== count) return null;
  let device: string | null = null;
  let metric: string | null = null;
  const labels: Record<string, string> = {};
  for (const [index, level] of template.levels.entries()) {
    const text = levels[index] ?? '';
    if ('literal' in level) {
      if (level.literal !== text) return null;
      continue;
    }
    // Topics that begin with $ are the broker's own: no wildcard reaches them, so no capture does.
    if (index === 0 && text.startsWith('$')) return null;
    if (level.capture === 'device') device = text;
    else if (level.capture === 'metric') metric = text;
    else labels[level.capture] = text;
  }
  return { device, metric, labels, rest: levels.length === count ? NO_LEVELS : levels.slice(count) };
}

/** Below 0: `a` comes first. */
export const byPrecedence = (a: TopicTemplate, b: TopicTemplate): number => b.literals - a.literals || Number(a.isOpen) - Number(b.isOpen);

/** True when some topic matches both and neither comes first: nothing would decide between them. */
export function isTie(a: TopicTemplate, b: TopicTemplate): boolean {
  if (byPrecedence(a, b) !== 0 || (!a.isOpen && a.levels.length !== b.levels.length)) return false;
  return a.levels.every((level, index) => {
    const other = b.levels[index];
    return other === undefined || 'capture' in level || 'capture' in other || level.literal === other.literal;
  });
}

export const hasMetricCapture = (template: TopicTemplate): boolean =>
  template.levels.some((level) => 'capture' in level && level.capture === 'metric');
