/** That every contact and schedule exists which something in notify.yaml names, and that who is on call leads to people. */
import type { Contact } from '../../domain/notification.ts';
import { TocsinError } from '../../std/errors.ts';
import { nearest, valueAt } from '../../std/form.ts';
import type { YamlFile } from '../../std/yaml.ts';
import type { NotifyForm } from './form.ts';

/** A name, and where it stands in the file. */
interface Reference {
  readonly at: readonly PropertyKey[];
  readonly id: string;
}

export function referenceProblems(form: NotifyForm, file: YamlFile): TocsinError[] {
  const contacts = form.contacts.map(({ id }) => id);
  const schedules = form.schedules.map(({ id }) => id);
  return [
    ...doubleSchedules(schedules, file),
    ...unknown('contact', { references: contactReferences(form), known: contacts, file }),
    ...unknown('schedule', { references: scheduleReferences(form), known: schedules, file }),
    ...circles(form.contacts, file),
  ];
}

function unknown(
  kind: 'contact' | 'schedule',
  { references, known, file }: { references: readonly Reference[]; known: readonly string[]; file: YamlFile },
): TocsinError[] {
  return references.flatMap(({ at, id }) => {
    if (known.includes(id)) return [];
    // As it stands in the file: what was put in for a reference may be secret.
    const text = JSON.stringify(valueAt(file.value, at));
    const near = nearest(id, known);
    const hint = near !== undefined ? `did you mean ${near}?` : known.length === 0 ? `add it under ${kind}s` : `known: ${known.join(', ')}`;
    return [new TocsinError(`there is no ${kind} ${text}`, { place: file.place(at), hint })];
  });
}

const listed = (at: readonly PropertyKey[], ids: readonly string[]): Reference[] => ids.map((id, index) => ({ at: [...at, index], id }));

function contactReferences({ contacts, routes, default: fallback, escalations }: NotifyForm): Reference[] {
  return [
    ...contacts.flatMap(({ id, onCall }): Reference[] => {
      if (onCall === null) return [];
      if (onCall.kind === 'rotation') return listed(['contacts', id, 'rotation', 'of'], onCall.of);
      return onCall.entries.map(({ to }, index) => ({ at: ['contacts', id, 'onCall', index, 'to'], id: to }));
    }),
    ...routes.flatMap(({ to }, index) => listed(['routes', index, 'to'], to)),
    ...listed(['default', 'to'], fallback.to),
    ...escalations.flatMap(({ steps }, index) => steps.flatMap(({ to }, step) => listed(['escalations', index, 'steps', step, 'to'], to))),
  ];
}

function scheduleReferences({ contacts, routes, default: fallback }: NotifyForm): Reference[] {
  const ofGrouping = (at: readonly PropertyKey[], { active, muted }: Pick<NotifyForm['default'], 'active' | 'muted'>): Reference[] => [
    ...(active === undefined ? [] : [{ at: [...at, 'active'], id: active }]),
    ...(muted === undefined ? [] : [{ at: [...at, 'muted'], id: muted }]),
  ];
  return [
    ...contacts.flatMap(({ id, onCall }): Reference[] =>
      onCall?.kind !== 'schedules'
        ? []
        : onCall.entries.flatMap(({ schedule }, index) =>
            schedule === null ? [] : [{ at: ['contacts', id, 'onCall', index, 'schedule'], id: schedule }],
          ),
    ),
    ...routes.flatMap((route, index) => ofGrouping(['routes', index], route)),
    ...ofGrouping(['default'], fallback),
  ];
}

function doubleSchedules(ids: readonly string[], file: YamlFile): TocsinError[] {
  return ids.flatMap((id, index) => {
    const first = ids.indexOf(id);
    if (first === index) return [];
    const hint = `the other one is at ${file.place(['schedules', first, 'id'])}`;
    return [new TocsinError(`a second schedule is called ${id}`, { place: file.place(['schedules', index, 'id']), hint })];
  });
}

/** Contacts on call who stand for each other in a circle: it would never come to a person. Each circle is told once. */
function circles(contacts: readonly Contact[], file: YamlFile): TocsinError[] {
  const byId = new Map(contacts.map((contact) => [contact.id, contact]));
  const finished = new Set<string>();
  const problems: TocsinError[] = [];
  const visit = (id: string, path: readonly string[]): void => {
    const start = path.indexOf(id);
    if (start >= 0) {
      const circle = [...path.slice(start), id].join(' → ');
      const hint = 'one of them has to name a person instead';
      problems.push(
        new TocsinError(`these stand for each other in a circle: ${circle}`, { place: file.place(['contacts', id], 'key'), hint }),
      );
      return;
    }
    const contact = byId.get(id);
    if (contact === undefined || finished.has(id)) return;
    for (const next of new Set(standIns(contact))) visit(next, [...path, id]);
    finished.add(id);
  };
  for (const { id } of contacts) visit(id, []);
  return problems;
}

function standIns({ onCall }: Contact): readonly string[] {
  if (onCall === null) return [];
  return onCall.kind === 'rotation' ? onCall.of : onCall.entries.map(({ to }) => to);
}
