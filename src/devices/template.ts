/**
 * Topic templates: `sensors/{device}/telemetry`. `{device}` and `{metric}` capture one level, any other `{name}` becomes a
 * label, everything else is literal. Of several that match, the one with the most literal levels wins.
 */

export interface TopicTemplate {
  readonly text: string;
  readonly levels: readonly TemplateLevel[];
  readonly literals: number;
}

type TemplateLevel = { readonly literal: string } | { readonly capture: string };

export interface TopicMatch {
  readonly device: string;
  readonly metric: string | null;
  readonly labels: Readonly<Record<string, string>>;
}

const CAPTURE = /^\{([A-Za-z_][\w-]{0,63})\}$/;
const LEVELS_MAX = 32;

/** @returns what is wrong with it, as a sentence, when it is no template */
export function parseTemplate(text: string): TopicTemplate | string {
  const levels: TemplateLevel[] = [];
  const names = new Set<string>();
  const parts = text.split('/');
  if (parts.length > LEVELS_MAX) return `a topic has at most ${LEVELS_MAX} levels`;
  for (const part of parts) {
    const name = CAPTURE.exec(part)?.[1];
    if (name === undefined) {
      if (/[{}]/.test(part)) return `${JSON.stringify(part)}: a {name} takes a whole level, and is made of letters, digits, _ and -`;
      if (/[+#]/.test(part)) return `${JSON.stringify(part)}: + and # are no wildcards here; write {device}, {metric} or {any label}`;
      levels.push({ literal: part });
      continue;
    }
    if (names.has(name)) return `{${name}} stands in it twice`;
    if (name === '__proto__') return `{${name}} is no name for a label`;
    names.add(name);
    levels.push({ capture: name });
  }
  if (!names.has('device')) return 'it has no {device}: which level names the device?';
  return { text, levels, literals: levels.length - names.size };
}

/** @param levels the topic, split at `/` */
export function matchTemplate(template: TopicTemplate, levels: readonly string[]): TopicMatch | null {
  if (levels.length !== template.levels.length) return null;
  let device = '';
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
  return { device, metric, labels };
}

/** True when some topic matches both and neither has more literal levels: nothing would decide between them. */
export function isTie(a: TopicTemplate, b: TopicTemplate): boolean {
  if (a.levels.length !== b.levels.length || a.literals !== b.literals) return false;
  return a.levels.every((level, index) => {
    const other = b.levels[index];
    return other === undefined || 'capture' in level || 'capture' in other || level.literal === other.literal;
  });
}

export const hasMetricCapture = (template: TopicTemplate): boolean =>
  template.levels.some((level) => 'capture' in level && level.capture === 'metric');
