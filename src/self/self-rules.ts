/**
 * The rules by which Tocsin alerts about itself: rules as users write them, on the profile `tocsin`. A user's rule with the
 * same id stands in for the one here.
 */
import type { Rule } from '../domain/rule.ts';
import { parseRules } from '../rules/parse.ts';
import { writtenDuration } from '../std/quantity.ts';

/** Stands as the file of what no file says. */
export const BUILT_IN = '(built in)';

/** Rules about not reaching people: they go to everybody, as nobody knows who can still be reached. */
export const UNREACHED_RULES = ['tocsin-channel-failing', 'tocsin-undelivered'] as const;

/** A few readings may be missed, as at a restart, before silence says something. */
const SILENCE_MIN_MS = 120_000;
const SILENCE_READINGS = 6;

/** @param everyMs how often a reading is made */
export function selfRules(everyMs: number): readonly Rule[] {
  const silence = writtenDuration(Math.max(SILENCE_MIN_MS, SILENCE_READINGS * everyMs));
  const { rules, problems } = parseRules([{ path: BUILT_IN, text: slowRule(silence) + OTHER_RULES }]);
  if (problems.length > 0) throw new Error(`the built-in rules: ${problems.map((problem) => problem.render()).join('\n')}`);
  return rules;
}

export const isBuiltIn = ({ place }: Rule): boolean => place.file === BUILT_IN;

/** @param silence how long no reading may come, as it is written */
const slowRule = (silence: string): string => `
rules:
  - id: tocsin-slow
    devices: {profile: tocsin}
    labels: {source: tocsin}
    levels:
      warning: {when: "canary_s > 10", for: 1m}
    noData: {after: ${silence}, raise: critical, metrics: [alerting_lag]}
    summary: "Tocsin is slow: its own reading took {{canary_s}} s to be evaluated, and {{alerting_lag}} readings wait"
    description: >-
      Alerts are late. See whether the machine is short of processor time or its disk is slow, and whether more readings arrive than
      usual. With "no data" not even Tocsin's own readings come through: /readyz and the log say what stands still.
`;

/** Further entries of the same list. */
const OTHER_RULES = `
  - id: tocsin-history-lag
    devices: {profile: tocsin}
    labels: {source: tocsin}
    levels:
      warning: {when: "history_lag_s > 60", for: 1m}
      critical: {when: "history_lag_s > 600"}
    summary: "History is {{history_lag_s}} s behind, {{history_lag}} readings wait in the journal: {{history_trouble}}"
    description: >-
      Alerts are not affected and nothing is lost, as long as the journal has room. See whether the series store (InfluxDB, or the disk)
      can be reached and keeps up; history catches up by itself.

  - id: tocsin-consumer-stuck
    devices: {profile: tocsin}
    labels: {source: tocsin}
    levels:
      critical: {when: "stuck_consumers > 0"}
    summary: "Stands still although readings wait: {{stuck}}"
    description: >-
      For a minute it has not worked through a single reading. See the log; if it says nothing, start Tocsin again: it goes on where it
      stopped, and nothing is lost.

  - id: tocsin-disk
    devices: {profile: tocsin}
    labels: {source: tocsin}
    levels:
      warning: {when: "disk_held > 0.8 || disk_free < 2", clear: "disk_held < 0.75 && disk_free > 2.5"}
      critical: {when: "disk_held > 0.95 || disk_free < 1.2", clear: "disk_held < 0.9 && disk_free > 1.5"}
    summary: "The journal runs out of room: {{disk_held * 100}} % of journal.maxBytes cannot be given up yet, and the disk has {{disk_free}} times journal.reserve left"
    description: >-
      When it is full, devices are not acknowledged any more. Free disk space, or raise journal.maxBytes; what cannot be given up waits
      for a consumer that lags: tocsin_consumer_lag_readings on /metrics says which.

  - id: tocsin-clock-jump
    devices: {profile: tocsin}
    labels: {source: tocsin}
    levels:
      warning: {when: "clock_step_s > 5"}
    summary: "The clock of this machine has jumped by {{clock_step_s}} s"
    description: >-
      Times of readings and alerts around it are off. See whether time synchronisation (NTP) works; a machine that slept does this,
      too. It ends by itself five minutes after the jump.

  - id: tocsin-channel-failing
    devices: {profile: tocsin}
    labels: {source: tocsin}
    levels:
      warning: {when: "channels_failing > 0"}
    summary: "Messages cannot be delivered: {{failing}}"
    description: >-
      They are tried again, and go over the contact's next channel where there is one. See whether the other side can be reached and
      takes what is sent; the log has its answers.

  - id: tocsin-undelivered
    devices: {profile: tocsin}
    labels: {source: tocsin}
    levels:
      critical: {when: "undelivered > 0"}
    summary: "Not reached over any channel: {{undelivered_to}}"
    description: >-
      Tell them by other means, and give them a channel that works: the page of notifications says what was not delivered and why.
`;
