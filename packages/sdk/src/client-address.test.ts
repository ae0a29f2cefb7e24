import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { it } from 'node:test';
import { ClientAddress } from './client-address.ts';

function request(remoteAddress: string, forwarded?: string): IncomingMessage {
  const headers = forwarded === undefined ? {} : { 'x-forwarded-for': forwarded };
  return { socket: { remoteAddress }, headers } as unknown as IncomingMessage;
}

it('is the peer, whatever a client writes into a header', () => {
  assert.equal(new ClientAddress([]).of(request('203.0.113.9', '10.0.0.1')), '203.0.113.9');
  assert.equal(new ClientAddress(['10.0.0.0/8']).of(request('203.0.113.9', '10.0.0.1')), '203.0.113.9');
});

it('is the last address before the trusted proxies, not the first that a client wrote', () => {
  const address = new ClientAddress(['10.0.0.0/8', '2001:db8::/32']);
  assert.equal(address.of(request('10.0.0.1', '198.51.100.7')), '198.51.100.7');
  assert.equal(address.of(request('10.0.0.1', '192.0.2.1, 198.51.100.7, 10.9.9.9')), '198.51.100.7');
  assert.equal(address.of(request('2001:db8::1', '1.2.3.4 , 198.51.100.7')), '198.51.100.7');
  assert.equal(address.of(request('::ffff:10.0.0.1', '198.51.100.7')), '198.51.100.7');
});

it('is the proxy itself when nobody stands before it', () => {
  assert.equal(new ClientAddress(['10.0.0.0/8']).of(request('10.0.0.1')), '10.0.0.1');
  assert.equal(new ClientAddress(['10.0.0.0/8']).of(request('10.0.0.1', '10.0.0.2, 10.0.0.3')), '10.0.0.1');
});

it('refuses a trusted proxy that is not a network', () => {
  assert.throws(() => new ClientAddress(['10.0.0.1/8']), /trustedProxies/);
});
