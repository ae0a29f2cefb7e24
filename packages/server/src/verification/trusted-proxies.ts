import { BlockList, isIP } from 'node:net';

/** Whether an address is a proxy's that stands before the gateways, and what it says of where a request came from counts. */
export type IsProxy = (address: string) => boolean;

/** @param networks as `KEYHOLD_TRUSTED_PROXIES` takes them, where a network may be named by any address in it */
export function trustedProxies(networks: readonly string[]): IsProxy {
  const trusted = new BlockList();
  for (const network of networks) {
    const [address = '', bits] = network.split('/');
    const family = familyOf(address);
    if (family === null) throw new TypeError(`${network} is no network`);
    trusted.addSubnet(withoutZone(address), Number(bits ?? (family === 'ipv4' ? 32 : 128)), family);
  }
  return (text) => {
    const family = familyOf(text);
    return family !== null && trusted.check(withoutZone(text), family);
  };
}

function familyOf(address: string): 'ipv4' | 'ipv6' | null {
  return ({ 4: 'ipv4', 6: 'ipv6' } as const)[isIP(address)] ?? null;
}

/** Which interface it is met at means nothing on another machine (RFC 4007 §6). */
function withoutZone(address: string): string {
  return address.replace(/%.*$/, '');
}
