/**
 * Which addresses are on the public Internet. A URL in a config must not become a way to reach what only this machine or its
 * network can: the metadata service of a cloud, a router's page, a database. So the address is checked, not the name, and it is
 * the very one that is connected to: a name that resolves to something else the next time (DNS rebinding) gains nothing.
 */
import { lookup as systemLookup } from 'node:dns';
import { BlockList, isIPv4, isIPv6, type LookupFunction } from 'node:net';

const NOT_PUBLIC_4 = subnets('ipv4', [
  ['0.0.0.0', 8], // this network
  ['10.0.0.0', 8],
  ['100.64.0.0', 10], // shared by the customers of a carrier
  ['127.0.0.0', 8],
  ['169.254.0.0', 16], // link-local, and the metadata of clouds
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24], // documentation, and the two below
  ['192.88.99.0', 24], // 6to4 relays
  ['192.168.0.0', 16],
  ['198.18.0.0', 15], // benchmarks
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3], // multicast, reserved, broadcast
]);
/** Of IPv6 only this is given out: loopback, ULA, link-local, multicast and IPv4-mapped addresses are all outside of it. */
const GLOBAL_6 = subnets('ipv6', [['2000::', 3]]);
const NOT_PUBLIC_6 = subnets('ipv6', [
  ['2001::', 23], // protocols, such as Teredo, which holds an IPv4 address
  ['2001:db8::', 32], // documentation
  ['2002::', 16], // 6to4, which holds an IPv4 address
]);
/** What a network without IPv4 has in place of every IPv4 address, which is in the last 32 bits. */
const NAT64 = subnets('ipv6', [['64:ff9b::', 96]]);

function subnets(family: 'ipv4' | 'ipv6', list: readonly (readonly [network: string, prefix: number])[]): BlockList {
  const result = new BlockList();
  for (const [network, prefix] of list) result.addSubnet(network, prefix, family);
  return result;
}

/** False of what is no address as well. */
export function isPublicAddress(address: string): boolean {
  const bare = address.replace(/%.*$/, '');
  if (isIPv4(bare)) return !NOT_PUBLIC_4.check(bare, 'ipv4');
  if (!isIPv6(bare)) return false;
  if (NAT64.check(bare, 'ipv6')) return isPublicAddress(lastBits(bare));
  return GLOBAL_6.check(bare, 'ipv6') && !NOT_PUBLIC_6.check(bare, 'ipv6');
}

/** The last 32 bits as an IPv4 address. */
function lastBits(address: string): string {
  // The form of a URL has no dots and no capitals: 64:ff9b::a9fe:a9fe
  const groups = new URL(`http://[${address}]`).hostname.slice(1, -1).split(':');
  const [high, low] = groups.slice(-2).map((group) => (group === '' ? 0 : Number.parseInt(group, 16)));
  return [(high ?? 0) >> 8, (high ?? 0) & 255, (low ?? 0) >> 8, (low ?? 0) & 255].join('.');
}

/** What a URL says of its host, where that is an address in any of its spellings; null of a name. */
export function addressOf(url: URL): string | null {
  const bare = url.hostname.replace(/^\[|\]$/g, '');
  return isIPv4(bare) || isIPv6(bare) ? bare : null;
}

export class NotPublic extends Error {
  override readonly name = 'NotPublic';
}

export const notPublic = (host: string, address: string): NotPublic =>
  new NotPublic(`${host} is ${host === address ? '' : `at ${address}, `}an address of this machine or of a private network`);

/** A lookup that gives public addresses only, and fails with `NotPublic` when there are none but others. */
export function publicOnly(lookup: LookupFunction = systemLookup): LookupFunction {
  return (host, options, callback) => {
    lookup(host, { ...options, all: true }, (error, found, family) => {
      if (error !== null) return callback(error, [], 0);
      const all = typeof found === 'string' ? [{ address: found, family: family ?? 0 }] : found;
      const good = all.filter(({ address }) => isPublicAddress(address));
      const [first] = good;
      if (first === undefined) return callback(notPublic(host, all[0]?.address ?? 'nowhere'), [], 0);
      if (options.all === true) callback(null, good);
      else callback(null, first.address, first.family);
    });
  };
}
