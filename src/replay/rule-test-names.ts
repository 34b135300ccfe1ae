/**
 * A rule test made ready to run: what it names is looked up among the rules, the devices and the contacts, and a name that
 * leads nowhere is a problem. It would otherwise be a test that passes because nothing happens.
 */
import type { DeviceDirectory, FleetDevice } from '../domain/device.ts';
import type { DeviceRef } from '../domain/reading.ts';
import type { NotifyConfig } from '../notify/notify-config.ts';
import type { CompiledRule } from '../rules/compile.ts';
import { groupName } from '../rules/group.ts';
import { TocsinError } from '../std/errors.ts';
import { hintFor, nearest } from '../std/form.ts';
import type { Action } from './rule-test-actions.ts';
import type { Expectation, ExpectedMessage, RuleTest, RuleTestFile } from './rule-test-file.ts';
import { type Arrival, arrivalsOf } from './rule-test-readings.ts';

export interface World {
  readonly rules: readonly CompiledRule[];
  readonly directory: DeviceDirectory;
  readonly notify: NotifyConfig;
}

export interface ReadyTest {
  readonly file: string;
  readonly test: RuleTest;
  /** Of the fleet only what the test is about: nobody misses the other devices. */
  readonly directory: DeviceDirectory;
  /** In the order of their receipt. */
  readonly arrivals: readonly Arrival[];
  /** In the order of their time. */
  readonly actions: readonly ReadyAction[];
  readonly expectations: readonly ReadyExpectation[];
}

export interface ReadyAction extends Action {
  /** What the alert's `device` is; empty where it is about none. */
  readonly subject: string;
}

export interface ReadyExpectation extends Expectation {
  /** The device's id, or the group's name: what an alert's `device` is. */
  readonly subject: string;
}

export function readyTests(file: RuleTestFile, world: World): { tests: ReadyTest[]; problems: TocsinError[] } {
  const tests: ReadyTest[] = [];
  const problems: TocsinError[] = [];
  for (const test of file.tests) {
    const naming = new Naming(file, test, world);
    const ready = naming.ready();
    problems.push(...naming.problems);
    if (naming.problems.length === 0) tests.push(ready);
  }
  return { tests, problems };
}

/** Which alert is meant. */
type Subject = Pick<Expectation, 'alert' | 'device' | 'group' | 'path'> & { /** Of the rule; default `alert`. */ readonly key?: string };

class Naming {
  readonly problems: TocsinError[] = [];
  readonly #file: RuleTestFile;
  readonly #test: RuleTest;
  readonly #world: World;
  readonly #fleet: ReadonlyMap<string, FleetDevice>;

  constructor(file: RuleTestFile, test: RuleTest, world: World) {
    this.#file = file;
    this.#test = test;
    this.#world = world;
    this.#fleet = new Map(world.directory.fleet.map((device) => [device.id, device]));
  }

  ready(): ReadyTest {
    const { directory } = this.#world;
    const refs = this.#devices();
    const expectations = this.#test.expectations.map((expectation) => this.#expectation(expectation, refs));
    const actions = this.#test.actions.map((action, index) => this.#action(action, { refs, before: this.#test.actions.slice(0, index) }));
    if (this.problems.length === 0) this.#checkThatSomeRuleLooks(refs);
    const listed = this.#withDependencies([...refs.keys()]);
    const report = (message: string, path: readonly PropertyKey[], hint?: string, part?: 'key' | 'value'): void =>
      this.#report(message, path, hint, part);
    const arrivals = this.problems.length > 0 ? [] : arrivalsOf(this.#test, { refs, directory, report });
    return {
      file: this.#file.yaml.path,
      test: this.#test,
      directory: { ...directory, fleet: listed },
      arrivals,
      actions,
      expectations,
    };
  }

  /** Every device that the test speaks of. */
  #devices(): Map<string, DeviceRef> {
    const { device, devices, blocks, expectations, path } = this.#test;
    const own = blocks.flatMap((block) => (block.device === null ? [] : [block.device]));
    const unnamed = blocks.find((block) => block.device === null);
    if (device === null && unnamed !== undefined)
      this.#report('the readings do not say of which device they are', unnamed.path, 'add device: to the test, or to the readings');
    const ids = new Set([...(device === null ? [] : [device]), ...Object.keys(devices), ...own]);
    for (const expectation of expectations)
      if (expectation.device !== null && this.#fleet.has(expectation.device)) ids.add(expectation.device);
    const inferred = this.#profileOfRules();
    this.#checkProfile(this.#test.profile, [...path, 'profile']);
    for (const [id, { profile }] of Object.entries(devices)) this.#checkProfile(profile, [...path, 'devices', id, 'profile']);
    return new Map([...ids].map((id) => [id, this.#deviceOf(id, inferred)]));
  }

  /** The fleet's word counts for what it lists; then the test's; then the profile that the rules in question are for. */
  #deviceOf(id: string, inferred: string | null): DeviceRef {
    const { profile, labels, devices, path } = this.#test;
    const told = devices[id] ?? { profile, labels };
    const listed = this.#fleet.get(id);
    if (listed === undefined) return { id, profile: told.profile ?? inferred, labels: told.labels };
    const contradicts = Object.entries(told.labels).some(([name, value]) => listed.labels[name] !== value);
    if (contradicts || (told.profile !== null && told.profile !== listed.profile)) {
      const at = devices[id] === undefined ? [...path, 'device'] : [...path, 'devices', id];
      this.#report(`the fleet file lists ${id}, with another profile or other labels`, at, 'leave them out here, or use another device');
    }
    return { id, profile: listed.profile, labels: listed.labels };
  }

  #profileOfRules(): string | null {
    const named = new Set(this.#test.expectations.map(({ alert }) => alert));
    const profiles = this.#world.rules.filter(({ rule }) => named.has(rule.id)).map(({ rule }) => rule.selector.profile);
    const [first = null] = profiles;
    return profiles.every((profile) => profile === first) ? first : null;
  }

  /** A test in which no rule looks at any device would pass whatever the rules say. */
  #checkThatSomeRuleLooks(refs: ReadonlyMap<string, DeviceRef>): void {
    const isLookedAt = ({ matches, programFor, group }: CompiledRule, ref: DeviceRef): boolean =>
      matches(ref) && (group === null ? programFor(ref.profile) : group.memberFor(ref.profile)) !== null;
    if ([...refs.values()].some((ref) => this.#world.rules.some((rule) => isLookedAt(rule, ref)))) return;
    const hint = 'add profile: (or labels:), or list the device in fleet.yaml';
    this.#report(`no rule is for any device of this test: ${[...refs.keys()].join(', ')}`, [...this.#test.path, 'name'], hint);
  }

  #checkProfile(name: string | null, path: readonly PropertyKey[]): void {
    const known = this.#world.directory.profiles.map((profile) => profile.name);
    if (name !== null && !known.includes(name)) this.#report(`there is no profile ${name}`, path, hintFor(name, known));
  }

  #expectation(expectation: Expectation, refs: ReadonlyMap<string, DeviceRef>): ReadyExpectation {
    const found = this.#rule(expectation.alert, [...expectation.path, 'alert']);
    for (const message of [...(expectation.emails ?? []), ...(expectation.messages ?? [])]) this.#checkRecipient(message);
    return { ...expectation, subject: found === undefined ? '' : this.#subject(expectation, found, refs) };
  }

  #rule(id: string, path: readonly PropertyKey[]): CompiledRule | undefined {
    const found = this.#world.rules.find(({ rule }) => rule.id === id);
    const known = this.#world.rules.map(({ rule }) => rule.id);
    if (found === undefined) this.#report(`there is no rule ${id}`, path, hintFor(id, known));
    return found;
  }

  #action(action: Action, of: { refs: ReadonlyMap<string, DeviceRef>; before: readonly Action[] }): ReadyAction {
    const { deed, path } = action;
    if (deed.kind === 'silence') {
      const exact = (deed.match.rules ?? []).filter((rule) => !/[*?]/.test(rule));
      for (const rule of exact) this.#rule(rule, [...path, 'silence', 'rule']);
    } else if (deed.kind === 'endSilence') {
      const names = of.before.flatMap(({ deed: earlier }) => (earlier.kind === 'silence' ? [earlier.name] : []));
      if (!names.includes(deed.name))
        this.#report(
          `no silence before it is called ${deed.name}`,
          [...path, 'endSilence'],
          names.length === 0 ? 'give one a name' : hintFor(deed.name, names),
        );
    } else {
      const found = this.#rule(deed.alert, [...path, deed.kind]);
      if (found !== undefined) return { ...action, subject: this.#subject({ ...deed, path, key: deed.kind }, found, of.refs) };
    }
    return { ...action, subject: '' };
  }

  #subject(expectation: Subject, found: CompiledRule, refs: ReadonlyMap<string, DeviceRef>): string {
    const { alert, group, path } = expectation;
    const { by } = found.rule;
    if (group !== null) {
      const groups = [...refs.values()].flatMap((ref) => (found.matches(ref) ? (groupName(by, ref.labels) ?? []) : []));
      if (by.length === 0) this.#report(`${alert} is a rule on single devices, not on groups`, [...path, 'group'], 'name the device');
      else if (!groups.includes(group))
        this.#report(`no device of the test is in the group ${group} of ${alert}`, [...path, 'group'], hintFor(group, groups));
      return group;
    }
    if (by.length > 0) {
      this.#report(`${alert} is a rule on groups by ${by.join(', ')}`, path, `name the group: {group: "${by[0]}=…"}`);
      return '';
    }
    const [only, ...more] = refs.keys();
    const id = expectation.device ?? this.#test.device ?? (more.length === 0 ? only : undefined);
    if (id === undefined) {
      this.#report(`the ${expectation.key ?? 'expectation'} does not say of which device`, path, 'add device: to it, or to the test');
      return '';
    }
    const ref = refs.get(id);
    const at = expectation.device === null ? [...path, expectation.key ?? 'alert'] : [...path, 'device'];
    if (ref === undefined) this.#report(`the test has no device ${id}`, at, hintFor(id, [...refs.keys()]));
    else if (!found.matches(ref) || found.programFor(ref.profile) === null) {
      const profile = ref.profile === null ? 'it has no profile' : `its profile is ${ref.profile}`;
      this.#report(`${alert} is not for ${id}`, at, `${profile}; the rule stands at ${found.rule.place.file}:${found.rule.place.line}`);
    }
    return id;
  }

  #checkRecipient({ to, path }: ExpectedMessage): void {
    const { contacts } = this.#world.notify;
    const known = contacts.flatMap(({ id, channels }) => [id, ...channels.map(({ address }) => address)]);
    if (known.includes(to)) return;
    const near = nearest(to, known);
    const hint = near === undefined ? `known: ${known.join(', ')}` : `did you mean ${near}?`;
    const what = to.includes('@') ? `no contact has the address ${to}` : `there is no contact ${to}`;
    this.#report(what, [...path, 'to'], hint);
  }

  /** What the fleet lists of them, and what those depend on. */
  #withDependencies(ids: readonly string[]): FleetDevice[] {
    const wanted = new Set(ids);
    for (const id of wanted) {
      const gateway = this.#fleet.get(id)?.dependsOn;
      if (gateway !== undefined && gateway !== null) wanted.add(gateway);
    }
    return this.#world.directory.fleet.filter(({ id }) => wanted.has(id));
  }

  #report(message: string, path: readonly PropertyKey[], hint?: string, part: 'key' | 'value' = 'value'): void {
    const place = this.#file.yaml.place(path, part);
    // A value of the wrong type is found once a step.
    if (this.problems.some((problem) => problem.place === place && problem.message === message)) return;
    this.problems.push(new TocsinError(message, hint === undefined ? { place } : { place, hint }));
  }
}
