/**
 * One e-mail address, strictly: what passes here can stand in an SMTP envelope and in a header without quoting, and
 * cannot smuggle a second recipient or a header line into either.
 */
const LOCAL_PART = /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*$/;
const DOMAIN = /^[\p{L}\p{N}](?:[\p{L}\p{N}-]{0,61}[\p{L}\p{N}])?(?:\.[\p{L}\p{N}](?:[\p{L}\p{N}-]{0,61}[\p{L}\p{N}])?)*$/u;
const LOCAL_PART_LENGTH_MAX = 64;
const ADDRESS_LENGTH_MAX = 254;

/** What is wrong with it, or null. */
export function addressProblem(value: unknown): { message: string; hint: string } | null {
  const hint = 'write one address: name@example.org';
  if (typeof value !== 'string' || value === '') return { message: 'expected an e-mail address', hint };
  const shown = JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value);
  if (/\$\{/.test(value)) return { message: `${shown} holds a variable that was not replaced`, hint: 'is it set in the environment?' };
  if (/[\p{Cc}\p{Zl}\p{Zp}]/u.test(value)) return { message: `${shown} holds a line break or another control character`, hint };
  if (/[<>"(]/.test(value)) return { message: `${shown} is more than an address`, hint: 'leave the name out: only name@example.org' };
  if (/[,;]/.test(value))
    return { message: `${shown} is more than one address`, hint: 'write one contact for each, and name both in the route' };
  const at = value.lastIndexOf('@');
  const isGood =
    at > 0 &&
    at <= LOCAL_PART_LENGTH_MAX &&
    value.length <= ADDRESS_LENGTH_MAX &&
    LOCAL_PART.test(value.slice(0, at)) &&
    DOMAIN.test(value.slice(at + 1));
  return isGood ? null : { message: `${shown} is no e-mail address`, hint };
}
