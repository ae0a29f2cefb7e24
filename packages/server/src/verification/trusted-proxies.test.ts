import assert from 'node:assert/strict';
import { it } from 'node:test';
import { trustedProxies } from './trusted-proxies.ts';

it('takes every network that the setting takes, and finds addresses of both families however they are written', () => {
  const isProxy = trustedProxies(['10.1.2.3/8', '192.0.2.1', '2001:db8::1/32', '::1', 'fe80::1%eth0']);
  for (const own of ['10.255.0.1', '::ffff:10.0.0.1', '192.0.2.1', '2001:0DB8:ffff::', '::1', 'fe80::1%eth1'])
    assert.equal(isProxy(own), true, own);
  for (const other of ['11.0.0.1', '192.0.2.2', '2001:db9::', '::2', '', 'unknown', '10.0.0.1:80', '10.0.0.1/8'])
    assert.equal(isProxy(other), false, other);
  assert.equal(trustedProxies([])('10.0.0.1'), false);
});
