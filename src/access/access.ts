/**
 * Who a connection is, and what it may do: the one thing that the broker asks about identity.
 *
 * A login is answered once and in bounded time, whatever happens. One that fails is answered a second after it came, so that the answer's
 * time tells neither whether the name exists nor how its password is stored; it is counted, logged without what was given as password, and
 * held against its address. A generated password is always checked: nobody guesses one, and a hall full of devices behind the address of
 * one that has a wrong password shall not be locked out with it. What is chosen is not checked while the address is throttled.
 */
import { timingSafeEqual } from 'node:crypto';
import { Counter, type Registry } from 'prom-client';
import type { DeviceDirectory } from '../domain/device.ts';
import type { Clock } from '../std/clock.ts';
import type { Logger } from '../std/logger.ts';
import { ChosenPasswords } from './chosen-passwords.ts';
import { type Credential, nameMistake } from './credentials.ts';
import { FAILURES_MAX, LoginThrottle } from './login-throttle.ts';
import { OwnTopics } from './own-topics.ts';
import { digestOf, NOBODYS, PASSWORD_BYTES_MAX, parseStored } from './password.ts';
import { EVERYTHING, NOTHING, Rights, rulesOf } from './rights.ts';

/** What a configuration says of all this. */
export interface AccessSettings {
  /** Whether clients may connect without a name. */
  readonly anonymous: boolean;
  readonly credentials: readonly Credential[];
  readonly directory: DeviceDirectory;
}

export interface Attempt {
  readonly clientId: string;
  readonly username: string | null;
  readonly password: Uint8Array | null;
  readonly address: string;
  /** The names in the client certificate that was verified; none: no names. */
  readonly certificateNames: readonly string[];
  /** Who holds this client id at present; undefined: nobody. */
  readonly holder: Session | undefined;
  /** True: the connection is closed, and nobody waits for the answer. */
  readonly isGone: () => boolean;
}

/** One connection that was let in. */
export interface Session {
  /** Null: anonymous. */
  readonly who: Pick<Credential, 'kind' | 'name'> | null;
  readonly rights: Rights;
  /** The stored password that was right; null: a certificate, or nothing. */
  readonly proof: string | null;
}

/** As MQTT 3.1.1 numbers them in CONNACK. */
export const REFUSED = { identifier: 2, unavailable: 3, notAuthorised: 5 } as const;

export interface Refusal {
  readonly returnCode: (typeof REFUSED)[keyof typeof REFUSED];
  readonly reason: string;
}

/** Whose credentials they are, ready to be compared. */
interface Known extends Credential {
  readonly generated: readonly { readonly stored: string; readonly digest: Buffer }[];
  readonly chosen: readonly string[];
}

const FAILED_ANSWER_MS = 1000;
const LOGIN_WAIT_MS = 5000;
/** Failures that are logged one by one, in so many seconds. */
const LOGGED = { max: 50, everyMs: 10_000 };

export class Access implements AsyncDisposable {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #throttle: LoginThrottle;
  readonly #chosen: ChosenPasswords;
  readonly #logins: Counter<'outcome'>;
  #settings!: AccessSettings;
  #own!: OwnTopics;
  #byName!: ReadonlyMap<string, Known>;
  #byDigest!: ReadonlyMap<string, Known>;
  #fleet!: ReadonlySet<string>;
  /** Somebody has a password that a person chose. */
  #hasChosen = false;
  #logged = { count: 0, sinceMs: Number.NEGATIVE_INFINITY };

  constructor(settings: AccessSettings, options: { readonly clock: Clock; readonly logger: Logger; readonly registry: Registry }) {
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#throttle = new LoginThrottle(options.clock);
    this.#chosen = new ChosenPasswords(options.clock);
    const registers = [options.registry];
    const help = 'Logins by outcome: accepted, refused, or throttled: not checked, as too many of this address had failed';
    this.#logins = new Counter({ name: 'tocsin_mqtt_logins_total', help, labelNames: ['outcome'], registers });
    for (const outcome of ['accepted', 'refused', 'throttled']) this.#logins.inc({ outcome }, 0);
    this.use(settings);
  }

  /** From the next login on. Sessions that are open are to be renewed. */
  use(settings: AccessSettings): void {
    this.#settings = settings;
    this.#own = new OwnTopics(settings.directory);
    this.#fleet = new Set(settings.directory.fleet.map(({ id }) => id));
    const known = settings.credentials.map(withDigests);
    this.#hasChosen = known.some(({ chosen }) => chosen.length > 0);
    this.#byName = new Map(known.map((one) => [one.name, one]));
    this.#byDigest = new Map(known.flatMap((one) => one.generated.map(({ digest }) => [digest.toString('base64'), one])));
  }

  /** Gives a session the rights that it has by now. False: it has none any more, and is to be closed. */
  renew({ who, rights, proof }: Session): boolean {
    if (who === null) {
      if (!this.#settings.anonymous) rights.change(NOTHING);
      return this.#settings.anonymous;
    }
    const credential = proof === null ? this.#certified(who.name) : this.#byName.get(who.name);
    const holds = credential?.kind === who.kind && (proof === null || credential.passwords.includes(proof));
    rights.change(holds ? rulesOf(credential, this.#own) : NOTHING);
    return holds;
  }

  /** Never rejects. */
  async login(attempt: Attempt): Promise<Session | Refusal> {
    const beganMs = this.#clock.monotonicMs();
    const outcome = await new Promise<Session | Refusal>((resolve) => {
      const cancel = this.#clock.after(LOGIN_WAIT_MS, () => resolve(UNAVAILABLE));
      const answer = (given: Session | Refusal): void => {
        cancel();
        resolve(given);
      };
      this.#identify(attempt).then(answer, () => answer(UNAVAILABLE));
    });
    if ('rights' in outcome) {
      this.#logins.inc({ outcome: 'accepted' });
      return outcome;
    }
    this.#tell(attempt, outcome);
    await this.#clock.sleep(FAILED_ANSWER_MS - (this.#clock.monotonicMs() - beganMs));
    return outcome;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#chosen[Symbol.asyncDispose]();
  }

  async #identify(attempt: Attempt): Promise<Session | Refusal> {
    const { anonymous, credentials } = this.#settings;
    const { username, certificateNames, clientId, holder } = attempt;
    // Where nobody has a password, a name that a client happens to be configured with is none that could be wrong.
    const isNamed = username !== null && (credentials.length > 0 || !anonymous);
    let session = isNamed ? await this.#named(attempt, username) : this.#byCertificate(certificateNames);
    if (session === null && !isNamed && anonymous) session = { who: null, rights: new Rights(EVERYTHING), proof: null };
    if (session === null) return { returnCode: REFUSED.notAuthorised, reason: reasonOf(attempt) };
    if ('returnCode' in session) return session;
    const { who } = session;
    const isOthers = who !== null && clientId !== who.name && (this.#byName.has(clientId) || this.#fleet.has(clientId));
    if (isOthers || (holder !== undefined && holder.who?.name !== who?.name && holder.who !== null))
      return { returnCode: REFUSED.identifier, reason: 'this client id is another one’s' };
    return session;
  }

  async #named(attempt: Attempt, username: string): Promise<Session | Refusal | null> {
    const { password, certificateNames } = attempt;
    if (password === null || password.length === 0) {
      if (certificateNames.includes(username)) return this.#byCertificate([username]);
      // A generated password names its owner by itself: for clients that send one text only.
      const token = digestOf(username);
      const owner = this.#byDigest.get(token.toString('base64'));
      const proof = owner === undefined ? null : proofOf(owner, token);
      return owner === undefined || proof === null ? null : this.#session(owner, proof);
    }
    if (password.length > PASSWORD_BYTES_MAX) return null;
    const known = this.#byName.get(username);
    const proof = known === undefined ? null : proofOf(known, digestOf(password));
    if (known !== undefined && proof !== null) return this.#session(known, proof);
    // One that is not known takes as long as one whose password is wrong.
    const candidates = known === undefined || known.chosen.length === 0 ? (this.#hasChosen ? [NOBODYS] : []) : known.chosen;
    if (candidates.length === 0) return null;
    if (this.#throttle.isThrottled(attempt.address)) return THROTTLED;
    const right = await this.#chosen.match({ password, candidates, isGone: attempt.isGone });
    return known === undefined || right === null || right === NOBODYS ? null : this.#session(known, right);
  }

  /** The first of its names that is listed counts, else its common name. */
  #byCertificate(names: readonly string[]): Session | null {
    const name = names.find((one) => this.#byName.has(one) || this.#fleet.has(one)) ?? names[0];
    const credential = name === undefined ? null : this.#certified(name);
    return credential === null ? null : this.#session(credential, null);
  }

  /** Whom a certificate with this name stands for: a device need not be listed, where such devices are not rejected. */
  #certified(name: string): Credential | null {
    const known = this.#byName.get(name);
    if (known !== undefined) return known;
    const isDevice = this.#fleet.has(name) || this.#settings.directory.unknown !== 'reject';
    return isDevice && nameMistake(name) === null ? { kind: 'device', name, passwords: [], publish: [], subscribe: [] } : null;
  }

  #session(credential: Credential, proof: string | null): Session {
    const { kind, name } = credential;
    return { who: { kind, name }, rights: new Rights(rulesOf(credential, this.#own)), proof };
  }

  #tell({ username, clientId, address }: Attempt, refusal: Refusal): void {
    this.#logins.inc({ outcome: refusal === THROTTLED ? 'throttled' : 'refused' });
    const failures = refusal.returnCode === REFUSED.notAuthorised ? this.#throttle.failed(address) : 0;
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#logged.sinceMs > LOGGED.everyMs) this.#logged = { count: 0, sinceMs: nowMs };
    this.#logged.count += 1;
    if (this.#logged.count > LOGGED.max) return;
    // Without a password the name may be a token: it is not shown then.
    const user = username !== null && this.#byName.has(username) ? username : null;
    const fields = { user, client: clientId.slice(0, SHOWN_MAX), address, reason: refusal.reason, failures };
    this.#logger.warn(
      fields,
      failures >= FAILURES_MAX ? 'login refused: chosen passwords of this address are not checked for a while' : 'login refused',
    );
    if (this.#logged.count === LOGGED.max)
      this.#logger.warn({ seconds: LOGGED.everyMs / 1000 }, 'further refused logins are not logged for a while');
  }
}

const SHOWN_MAX = 100;
const UNAVAILABLE: Refusal = { returnCode: REFUSED.unavailable, reason: 'the password could not be checked in time' };
const THROTTLED: Refusal = { returnCode: REFUSED.notAuthorised, reason: 'too many failed logins of this address' };

function reasonOf({ username, password, certificateNames }: Attempt): string {
  if (username !== null) return password === null ? 'no such token, and no password' : 'wrong user name or password';
  return certificateNames.length > 0 ? 'the certificate names nobody who is known' : 'no user name, no certificate';
}

function withDigests(credential: Credential): Known {
  const generated: { stored: string; digest: Buffer }[] = [];
  const chosen: string[] = [];
  for (const stored of credential.passwords) {
    const parsed = parseStored(stored);
    if (parsed?.kind === 'generated') generated.push({ stored, digest: parsed.digest });
    else chosen.push(stored);
  }
  return { ...credential, generated, chosen };
}

/** Every one is compared, in constant time. */
function proofOf({ generated }: Known, digest: Buffer): string | null {
  let proof: string | null = null;
  for (const one of generated) if (timingSafeEqual(one.digest, digest)) proof = one.stored;
  return proof;
}
