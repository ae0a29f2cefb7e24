import ipaddr from 'ipaddr.js';

/** Networks one after another, a network being: address length in bytes (4 or 16), prefix bits, address bytes. */
export type PackedNetworks = Uint8Array;

/** An address: 4 or 16 bytes. IPv4-mapped IPv6 (RFC 4291 §2.5.5.2) is IPv4. */
export type Address = readonly number[];

const MAPPED_BITS = 96;
const DOT = 46;
const ZERO = 48;
const NINE = 57;

/** Reads an address as a client's is written: no zone, no leading zeros, no port. Null when it isn't one. */
export function parseAddress(text: string): Address | null {
  return text.includes(':') ? parseIPv6(text) : parseIPv4(text);
}

/**
 * A client's address as it is remembered and told: whatever is none, as with a port or of any length, is no address.
 * The one place for it: a caller, a gateway and the control plane all go by this.
 */
export function readableAddress(text: string | null | undefined): string | null {
  return typeof text === 'string' && parseAddress(text) !== null ? text : null;
}

/**
 * The network that an address is counted under: of IPv4 the first 24 bits, of IPv6 the first 48, which is what one
 * customer of a provider is given (RFC 6177). Null where it is no address.
 */
export function networkOf(text: string): string | null {
  const address = text === '' ? null : parseAddress(text);
  if (address === null) return null;
  if (address.length === 4) return `${address.slice(0, 3).join('.')}.0/24`;
  const groups = [0, 2, 4].map((i) => (((address[i] as number) << 8) | (address[i + 1] as number)).toString(16));
  return `${groups.join(':')}::/48`;
}

/** Scanned by hand: with a list of networks this runs for every request. */
function parseIPv4(text: string): Address | null {
  let address = 0;
  let part = 0;
  let digits = 0;
  let value = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit === DOT) {
      if (digits === 0 || ++part > 3) return null;
      address = (address << 8) | value;
      digits = 0;
      value = 0;
      continue;
    }
    // A leading zero would be octal to some and decimal to others.
    if (unit < ZERO || unit > NINE || (digits > 0 && value === 0)) return null;
    value = value * 10 + unit - ZERO;
    if (value > 255) return null;
    digits++;
  }
  if (part !== 3 || digits === 0) return null;
  return [(address >>> 16) & 0xff, (address >>> 8) & 0xff, address & 0xff, value];
}

function parseIPv6(text: string): Address | null {
  if (text.length > 45 || text.includes('%') || !ipaddr.IPv6.isValid(text)) return null;
  // ipaddr.js reads octal and hex in a dotted tail, and "::1.2.3.4" (RFC 4291 §2.5.5.1) as IPv4-mapped.
  const tail = text.slice(text.lastIndexOf(':') + 1);
  if (tail.includes('.') && (parseIPv4(tail) === null || text === `::${tail}`)) return null;
  const address = ipaddr.IPv6.parse(text);
  return address.isIPv4MappedAddress() ? address.toIPv4Address().toByteArray() : address.toByteArray();
}

/** A network that is not one, and how to mend it. */
export interface NetworkError {
  readonly index: number;
  readonly error: string;
}

/** Packs networks in CIDR notation; a bare address is a network of one. Host bits must be zero. */
export function packNetworks(networks: readonly string[]): PackedNetworks | NetworkError {
  const packed: number[] = [];
  for (const [index, text] of networks.entries()) {
    const network = packNetwork(text);
    if ('error' in network) return { index, error: network.error };
    packed.push(...network);
  }
  return Uint8Array.from(packed);
}

function packNetwork(text: string): number[] | { error: string } {
  const slash = text.indexOf('/');
  const addressText = slash < 0 ? text : text.slice(0, slash);
  const address = parseAddress(addressText);
  if (address === null) return { error: `"${text}" is not an IPv4 or IPv6 network` };
  const mapped = address.length === 4 && addressText.includes(':');
  const most = mapped ? 128 : address.length * 8;
  const bitsText = slash < 0 ? String(most) : text.slice(slash + 1);
  const written = Number(bitsText);
  if (!/^(?:0|[1-9][0-9]{0,2})$/.test(bitsText) || written > most || (mapped && written < MAPPED_BITS)) {
    return { error: `"/${bitsText}" is not a prefix length of ${addressText}` };
  }
  const bits = mapped ? written - MAPPED_BITS : written;
  if (!hostBitsAreZero(address, bits)) {
    return { error: `"${text}" has bits set after its prefix; write the network's first address` };
  }
  return [address.length, bits, ...address];
}

function hostBitsAreZero(address: Address, bits: number): boolean {
  return address.every((byte, i) => (byte & (0xff >> Math.min(8, Math.max(0, bits - i * 8)))) === 0);
}

/**
 * First and last address of each family that anybody is reached at: of IPv4 without "this network" (RFC 6890 §2.2.2),
 * multicast and what is reserved (RFC 1112 §4), of IPv6 the global unicast addresses (RFC 4291 §2.4, IANA).
 */
const USABLE: readonly (readonly [first: Address, last: Address])[] = [
  [
    [1, 0, 0, 0],
    [223, 255, 255, 255],
  ],
  [
    [0x20, ...new Array<number>(15).fill(0)],
    [0x3f, ...new Array<number>(15).fill(0xff)],
  ],
];

/** True where nobody is kept out: no network, or all usable addresses of a family between them, as `0.0.0.0/0` has. */
export function areOpen(networks: PackedNetworks): boolean {
  return rangeIsOpen(networks, 0, networks.length);
}

/**
 * The same for networks that lie among other bytes. Where a usable address of a family is left out, the first such one is
 * the first of all, or comes right after a network.
 */
export function rangeIsOpen(bytes: Uint8Array, start: number, end: number): boolean {
  if (start === end) return true;
  return USABLE.some(([first, last]) => {
    // Of nearly all lists this is all that is looked at.
    if (!rangeContains(bytes, start, end, first)) return false;
    for (let at = start; at < end; at += 2 + (bytes[at] as number)) {
      if (bytes[at] !== first.length) continue;
      const next = addressAfter(bytes, at);
      if (next === null || isBefore(next, first) || isBefore(last, next)) continue;
      if (!rangeContains(bytes, start, end, next)) return false;
    }
    return true;
  });
}

/** Of two addresses of a family. */
function isBefore(one: Address, other: Address): boolean {
  const at = one.findIndex((byte, i) => byte !== other[i]);
  return at >= 0 && (one[at] as number) < (other[at] as number);
}

/** The address after a network's last; null: it has the family's last. */
function addressAfter(bytes: Uint8Array, at: number): Address | null {
  const [length, bits] = [bytes[at] as number, bytes[at + 1] as number];
  const address = Array.from(bytes.subarray(at + 2, at + 2 + length));
  for (let bit = bits - 1; bit >= 0; bit--) {
    const [byte, mask] = [bit >> 3, 0x80 >> (bit & 7)];
    const value = address[byte] as number;
    address[byte] = value ^ mask;
    if ((value & mask) === 0) return address;
  }
  return null;
}

/** True when one of the networks contains the address. Families never match each other. */
export function containsAddress(networks: PackedNetworks, address: Address): boolean {
  return rangeContains(networks, 0, networks.length, address);
}

/** True when each of these networks lies within one of the others. */
export function areWithin(inner: PackedNetworks, outer: PackedNetworks): boolean {
  for (let at = 0; at < inner.length; at += 2 + (inner[at] as number)) {
    const [length, bits] = [inner[at] as number, inner[at + 1] as number];
    const first = Array.from(inner.subarray(at + 2, at + 2 + length));
    let isWithin = false;
    for (let of = 0; of < outer.length; of += 2 + (outer[of] as number)) {
      // Networks are whole: one that is no larger and shares an address lies within.
      if (outer[of] !== length || (outer[of + 1] as number) > bits) continue;
      isWithin ||= matches(outer, of + 2, outer[of + 1] as number, first);
    }
    if (!isWithin) return false;
  }
  return true;
}

/** The same for networks that lie among other bytes. */
export function rangeContains(bytes: Uint8Array, start: number, end: number, address: Address): boolean {
  for (let at = start; at < end; ) {
    const length = bytes[at] as number;
    if (length === address.length && matches(bytes, at + 2, bytes[at + 1] as number, address)) return true;
    at += 2 + length;
  }
  return false;
}

function matches(bytes: Uint8Array, start: number, bits: number, address: Address): boolean {
  const whole = bits >> 3;
  for (let i = 0; i < whole; i++) {
    if (bytes[start + i] !== address[i]) return false;
  }
  const rest = bits & 7;
  if (rest === 0) return true;
  const mask = (0xff << (8 - rest)) & 0xff;
  return bytes[start + whole] === ((address[whole] as number) & mask);
}
