import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import ipaddr from 'ipaddr.js';
import { areOpen, areWithin, containsAddress, packNetworks, type PackedNetworks, parseAddress } from './networks.ts';

function contains(networks: readonly string[], client: string): boolean {
  const packed = packNetworks(networks);
  if ('error' in packed) throw new Error(packed.error);
  const address = parseAddress(client);
  if (address === null) throw new Error(`${client} is no address`);
  return containsAddress(packed, address);
}

function refusal(network: string): string | undefined {
  const packed = packNetworks([network]);
  return 'error' in packed ? packed.error : undefined;
}

const ipv4 = fc.uint8Array({ minLength: 4, maxLength: 4 });
const ipv6 = fc.uint8Array({ minLength: 16, maxLength: 16 });
const bytes = fc.oneof(ipv4, ipv6);

function text(address: Uint8Array): string {
  return ipaddr.fromByteArray([...address]).toString();
}

/** The network's first address, and one that differs from it in the bit given, if any. */
function masked(address: Uint8Array, bits: number): Uint8Array {
  return address.map((byte, i) => byte & ~(0xff >> Math.min(8, Math.max(0, bits - i * 8))));
}

function flipped(address: Uint8Array, bit: number): Uint8Array {
  return address.map((byte, i) => (i === bit >> 3 ? byte ^ (0x80 >> (bit & 7)) : byte));
}

it('agrees with ipaddr.js on every network of either family, near its edge and far from it', () => {
  fc.assert(
    fc.property(bytes, fc.nat(), bytes, fc.nat(), (base, length, stranger, bit) => {
      const most = base.length * 8;
      const bits = length % (most + 1);
      const network = text(masked(base, bits));
      const range: [ipaddr.IPv4 | ipaddr.IPv6, number] = [ipaddr.parse(network), bits];
      for (const client of [base, flipped(base, bit % most), flipped(base, Math.max(0, bits - 1)), stranger]) {
        const address = ipaddr.process(text(client));
        const expected = address.kind() === range[0].kind() && address.match(range);
        assert.equal(contains([`${network}/${bits}`], text(client)), expected, `${network}/${bits} ${text(client)}`);
      }
    }),
    { numRuns: 1000 },
  );
});

it('allows what any one of several networks contains', () => {
  const networks = ['10.0.0.0/8', '2001:db8::/32', '192.0.2.7'];
  for (const client of ['10.255.255.255', '2001:db8:ffff::1', '192.0.2.7'])
    assert.ok(contains(networks, client), client);
  for (const client of ['11.0.0.0', '9.255.255.255', '2001:db9::', '192.0.2.6'])
    assert.ok(!contains(networks, client), client);
  assert.ok(!contains([], '10.0.0.1'));
});

it('takes a bare address as a network of one', () => {
  assert.ok(contains(['192.0.2.1'], '192.0.2.1'));
  assert.ok(!contains(['192.0.2.1'], '192.0.2.0'));
  assert.ok(contains(['2001:db8::1'], '2001:0DB8:0:0:0:0:0:1'));
  assert.ok(!contains(['2001:db8::1'], '2001:db8::'));
});

it('never lets a network of one family match an address of the other, not even one of length 0', () => {
  assert.ok(contains(['0.0.0.0/0'], '255.255.255.255'));
  assert.ok(!contains(['0.0.0.0/0'], '::1'));
  assert.ok(contains(['::/0'], 'ffff::'));
  assert.ok(!contains(['::/0'], '127.0.0.1'));
  assert.ok(!contains(['::/0'], '::ffff:127.0.0.1'));
  assert.ok(!contains(['::/80'], '::ffff:127.0.0.1'));
});

it('reads an IPv4-mapped address as the IPv4 address that it is, in clients and in networks', () => {
  for (const client of ['::ffff:10.1.2.3', '::FFFF:a01:203', '0:0:0:0:0:ffff:10.1.2.3']) {
    assert.deepEqual(parseAddress(client), [10, 1, 2, 3]);
    assert.ok(contains(['10.0.0.0/8'], client));
    assert.ok(!contains(['11.0.0.0/8'], client));
  }
  assert.ok(contains(['::ffff:10.0.0.0/104'], '10.1.2.3'));
  assert.ok(!contains(['::ffff:10.0.0.0/104'], '11.1.2.3'));
  assert.ok(contains(['::ffff:0:0/96'], '203.0.113.9'));
  assert.ok(contains(['::ffff:10.1.2.3'], '10.1.2.3'));
  for (const network of ['::ffff:0:0/95', '::ffff:10.0.0.0/8', '::ffff:10.0.0.0/32', '::ffff:10.0.0.0/129']) {
    assert.ok(refusal(network), network);
  }
});

it('refuses zone ids', () => {
  for (const client of ['fe80::1%eth0', 'fe80::1%1', '::1%', '::ffff:10.0.0.1%eth0']) {
    assert.equal(parseAddress(client), null, client);
    assert.ok(refusal(`${client}/128`), client);
  }
});

it('refuses leading zeros and other bases in IPv4, which others read as octal or hex', () => {
  for (const quad of ['010.0.0.1', '10.00.0.1', '0x0a.0.0.1', '10.0.0.08', '00.0.0.0', '1e1.0.0.1', '+1.2.3.4']) {
    assert.equal(parseAddress(quad), null, quad);
    assert.ok(refusal(quad), quad);
    assert.equal(parseAddress(`::ffff:${quad}`), null, `::ffff:${quad}`);
  }
  for (const bits of ['08', '+8', '8 ', '0x8', '', '-0', '1e1', '33']) assert.ok(refusal(`10.0.0.0/${bits}`), bits);
});

it('reads the two ways to write an IPv4-compatible IPv6 address (RFC 4291 §2.5.5.1) as one address', () => {
  const [dotted, plain] = [parseAddress('::192.0.2.1'), parseAddress('::c000:201')];
  assert.ok(dotted === null || plain?.join() === dotted.join(), `${dotted} and ${plain}`);
});

it('refuses host bits behind the prefix', () => {
  for (const network of ['10.0.0.1/8', '10.128.0.0/8', '0.0.0.1/0', '2001:db8::1/32', '::1/127', '192.0.2.1/31']) {
    assert.match(refusal(network) ?? '', /bits set after its prefix/, network);
  }
  for (const network of ['10.128.0.0/9', '192.0.2.0/31', '192.0.2.1/32', '::/0', '::1/128']) {
    assert.equal(refusal(network), undefined, network);
  }
});

it('refuses what is no address, and never throws', () => {
  const wrong = [
    '',
    ' ',
    '1.2.3',
    '1.2.3.4.5',
    '256.0.0.1',
    '1.2.3.4 ',
    '127.1',
    '2130706433',
    ':',
    ':::',
    '1::2::3',
    '12345::',
    '[::1]',
    '1.2.3.4:80',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '::ffff:256.1.1.1',
    '\u0661.1.1.1',
  ];
  for (const client of wrong) assert.equal(parseAddress(client), null, JSON.stringify(client));
  const soup = fc.string({ unit: fc.constantFrom(...'0123456789abcdefx.:/% '), maxLength: 50 });
  fc.assert(
    fc.property(fc.oneof(soup, fc.string({ unit: 'binary', maxLength: 60 })), (address) => {
      const parsed = parseAddress(address);
      assert.ok(parsed === null || parsed.length === 4 || parsed.length === 16);
      const packed = packNetworks([address]);
      assert.ok(!('error' in packed) || packed.error.length > 0);
    }),
    { numRuns: 1000 },
  );
});

it('says which of several networks is wrong', () => {
  assert.equal((packNetworks(['10.0.0.0/8', '::/0', 'nonsense']) as { index: number }).index, 2);
});

/** Networks that are a family's addresses between them, none of them another's. */
function divided(length: 4 | 16, cuts: readonly number[]): string[] {
  const parts: [address: Uint8Array, bits: number][] = [[new Uint8Array(length), 0]];
  for (const cut of cuts) {
    const [[address, bits]] = parts.splice(cut % parts.length, 1) as [[Uint8Array, number]];
    parts.push([address, Math.min(bits + 1, length * 8)]);
    if (bits < length * 8) parts.push([flipped(address, bits), bits + 1]);
  }
  return parts.map(([address, bits]) => `${text(address)}/${bits}`);
}

/** Whether a network has an address from 1.0.0.0 to 223.255.255.255, or of 2000::/3. */
function hasUsable(network: string): boolean {
  const [length, bits, ...address] = packNetworks([network]) as Uint8Array;
  const first = BigInt(`0x${Buffer.from(address).toString('hex')}`);
  const width = BigInt((length as number) * 8);
  const after = first + (1n << (width - BigInt(bits as number)));
  const [from, to] = length === 4 ? [1n << 24n, 224n << 24n] : [1n << 125n, 1n << 126n];
  return first < to && after > from;
}

it('sees that networks keep nobody out, however all addresses are divided among them, and that a usable one missing is enough', () => {
  const areOpenTo = (networks: readonly string[]) => areOpen(packNetworks(networks) as PackedNetworks);
  for (const networks of [
    ...[[], ['0.0.0.0/0'], ['192.0.2.0/24', '::/0'], ['128.0.0.0/1', '0.0.0.0/1']],
    // All but what nobody has.
    ...[['0.0.0.0/1', '128.0.0.0/2', '192.0.0.0/3'], ['2000::/3'], ['3000::/4', '2000::/4'], ['::/2']],
    '1.0.0.0/8 2.0.0.0/7 4.0.0.0/6 8.0.0.0/5 16.0.0.0/4 32.0.0.0/3 64.0.0.0/2 128.0.0.0/2 192.0.0.0/3'.split(' '),
  ]) {
    assert.ok(areOpenTo(networks), networks.join());
  }
  for (const networks of [
    ...[['0.0.0.0/1'], ['0.0.0.0/1', '8000::/1'], ['::/3', '4000::/2'], ['0.0.0.0/8', '1.0.0.0/8'], ['2000::/4']],
    ...[
      ['0.0.0.0/1', '128.0.0.0/2', '208.0.0.0/4'],
      ['3000::/4', '::/3'],
    ],
    // The last usable ones are missing.
    '0.0.0.0/1 128.0.0.0/2 192.0.0.0/4 208.0.0.0/5 216.0.0.0/6 220.0.0.0/7 222.0.0.0/8'.split(' '),
    ['2000::/4', '3000::/5', '3800::/6', '3c00::/7', '3e00::/8'],
  ]) {
    assert.ok(!areOpenTo(networks), networks.join());
  }
  const shapes = fc.tuple(
    fc.constantFrom(4 as const, 16 as const),
    fc.array(fc.nat(1000), { maxLength: 40 }),
    fc.nat(),
  );
  fc.assert(
    fc.property(shapes, ([length, cuts, missing]) => {
      const networks = divided(length, cuts);
      assert.ok(areOpenTo(networks));
      const inside = networks.map((network) => network.replace(/\/.*/, ''));
      const [gone] = networks.splice(missing % networks.length, 1) as [string];
      const open = networks.length === 0 || !hasUsable(gone);
      assert.equal(areOpenTo(networks), open);
      inside.splice(missing % inside.length, 1);
      assert.equal(areOpenTo([...networks, ...inside]), open);
    }),
    { numRuns: 300 },
  );
});

it('tells networks that lie within others from those that do not', () => {
  const isWithin = (inner: string, outer: string) => {
    const [one, other] = [inner, outer].map((list) => packNetworks(list.split(' ')));
    assert.ok(one instanceof Uint8Array && other instanceof Uint8Array);
    return areWithin(one, other);
  };
  for (const [inner, outer] of [
    ['10.1.0.0/16', '10.0.0.0/8'],
    ['10.0.0.0/8', '10.0.0.0/8'],
    ['10.1.2.3 2001:db8:1::/48', '2001:db8::/32 10.1.2.0/23'],
    ['::ffff:10.1.0.0/112', '10.0.0.0/8'],
    ['192.0.2.1', '0.0.0.0/0'],
  ] as const)
    assert.ok(isWithin(inner, outer), inner);
  for (const [inner, outer] of [
    ['10.0.0.0/7', '10.0.0.0/8'],
    ['10.1.0.0/16 11.0.0.0/16', '10.0.0.0/8'],
    ['10.0.0.0/8', '10.0.0.0/9 10.128.0.0/9'],
    ['192.0.2.1', '::/0'],
    ['a00::/16', '10.0.0.0/8'],
  ] as const)
    assert.ok(!isWithin(inner, outer), inner);
});
