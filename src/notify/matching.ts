/** Whether an alert is meant: by a route, an inhibition, an escalation or a silence. Pure. */
import type { Alert } from '../domain/alert.ts';
import type { AlertMatch } from '../domain/operation.ts';

/** All that is given must match; a list matches any of its entries. A label that the alert does not have is the empty text. */
export function matches({ levels, rules, devices, alerts, labels }: AlertMatch, alert: Alert): boolean {
  if (levels !== null && !levels.includes(alert.level)) return false;
  if (alerts !== null && !alerts.includes(alert.id)) return false;
  if (rules !== null && !rules.some((glob) => matchesGlob(glob, alert.rule))) return false;
  if (devices !== null && !devices.some((glob) => matchesGlob(glob, alert.device))) return false;
  return Object.entries(labels).every(([name, values]) => values.includes(labelValue(alert, name)));
}

/** What an alert is grouped and compared by: `rule`, `device`, `level` or `labels.<name>`; the empty text where it has none. */
export function labelOf(alert: Alert, name: string): string {
  if (name === 'rule') return alert.rule;
  if (name === 'device') return alert.device;
  if (name === 'level') return alert.level;
  return name.startsWith('labels.') ? labelValue(alert, name.slice('labels.'.length)) : '';
}

const labelValue = ({ labels }: Alert, name: string): string => (Object.hasOwn(labels, name) ? (labels[name] ?? '') : '');

/** `*` any characters, `?` one. In time proportional to glob × text, never exponential. */
export function matchesGlob(glob: string, text: string): boolean {
  if (glob === text) return true;
  let at = 0;
  let globAt = 0;
  let star = -1;
  let starAt = 0;
  while (at < text.length) {
    if (globAt < glob.length && (glob[globAt] === '?' || glob[globAt] === text[at]) && glob[globAt] !== '*') {
      globAt += 1;
      at += 1;
    } else if (glob[globAt] === '*') {
      star = globAt++;
      starAt = at;
    } else if (star >= 0) {
      globAt = star + 1;
      at = ++starAt;
    } else {
      return false;
    }
  }
  while (glob[globAt] === '*') globAt += 1;
  return globAt === glob.length;
}
