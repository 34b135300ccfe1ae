/**
 * Passwords as they are stored. A generated one has 128 bits: it cannot be guessed, so its SHA-256 is enough, and checking it costs
 * microseconds. A chosen one can be guessed, so it is stored with scrypt, which costs tens of milliseconds and 16 MB each time.
 *
 * `$sha256$DIGEST` and `$scrypt$ln=14,r=8,p=1$SALT$DIGEST`; the latter is the common notation of password hashes.
 */
import { createHash, randomBytes, scryptSync, timingSafeEqual } from 'node:crypto';

export type StoredPassword =
  | { readonly kind: 'generated'; readonly digest: Buffer }
  | { readonly kind: 'chosen'; readonly salt: Buffer; readonly digest: Buffer; readonly cost: ScryptCost };

export interface ScryptCost {
  /** 2 to the power of this is scrypt's N. */
  readonly logN: number;
  readonly r: number;
  readonly p: number;
}

const GENERATED_BYTES = 16;
const SALT_BYTES = 16;
const DIGEST_BYTES = 32;
const COST: ScryptCost = { logN: 14, r: 8, p: 1 };
/** What one check may take of memory, and how often: a file from elsewhere shall not stop the thread that checks. */
const COST_MAX: ScryptCost = { logN: 17, r: 8, p: 4 };
/** MQTT allows 65,535 bytes; nobody chooses that many. */
export const PASSWORD_BYTES_MAX = 1024;
export const CHOSEN_LENGTH_MIN = 8;

const GENERATED = /^\$sha256\$([\w-]{43})$/;
const CHOSEN = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]{16,86})\$([A-Za-z0-9+/]{43})$/;

export const generatePassword = (): string => randomBytes(GENERATED_BYTES).toString('base64url');

export const digestOf = (password: Uint8Array | string): Buffer => createHash('sha256').update(password).digest();

export const hashGenerated = (password: string): string => `$sha256$${digestOf(password).toString('base64url')}`;

/** Takes its time, on the thread that calls: for commands. */
export function hashChosen(password: string): string {
  const salt = randomBytes(SALT_BYTES);
  const { logN, r, p } = COST;
  return `$scrypt$ln=${logN},r=${r},p=${p}$${base64(salt)}$${base64(scrypt(Buffer.from(password), salt, COST))}`;
}

/** @returns null when it is no stored password, or one whose check would cost too much */
export function parseStored(text: string): StoredPassword | null {
  const generated = GENERATED.exec(text)?.[1];
  if (generated !== undefined) return { kind: 'generated', digest: Buffer.from(generated, 'base64url') };
  const [, logN, r, p, salt = '', digest = ''] = CHOSEN.exec(text) ?? [];
  if (digest === '') return null;
  const cost = { logN: Number(logN), r: Number(r), p: Number(p) };
  const isCheap = cost.logN >= 1 && cost.logN <= COST_MAX.logN && cost.r >= 1 && cost.r <= COST_MAX.r;
  if (!isCheap || cost.p < 1 || cost.p > COST_MAX.p) return null;
  return { kind: 'chosen', salt: Buffer.from(salt, 'base64'), digest: Buffer.from(digest, 'base64'), cost };
}

/** Of what nobody's password is: checking it takes as long as checking any. */
export const NOBODYS: string = `$scrypt$ln=${COST.logN},r=${COST.r},p=${COST.p}$${base64(Buffer.alloc(SALT_BYTES))}$${base64(Buffer.alloc(DIGEST_BYTES))}`;

/** In constant time for a generated one; a chosen one takes tens of milliseconds on the thread that calls. */
export function isPassword(password: Uint8Array, stored: StoredPassword): boolean {
  const digest = stored.kind === 'generated' ? digestOf(password) : scrypt(password, stored.salt, stored.cost);
  return digest.length === stored.digest.length && timingSafeEqual(digest, stored.digest);
}

function scrypt(password: Uint8Array, salt: Uint8Array, { logN, r, p }: ScryptCost): Buffer {
  const N = 2 ** logN;
  return scryptSync(password, salt, DIGEST_BYTES, { N, r, p, maxmem: 129 * N * r + 1024 * r * p });
}

function base64(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '');
}
