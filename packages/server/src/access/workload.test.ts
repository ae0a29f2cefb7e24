import assert from 'node:assert/strict';
import { it } from 'node:test';
import { addressProblem, claimsMatch, isLike } from './workload.ts';

it('a star stands for any text without a colon, and reaches into no other part of a claim', () => {
  const branch = 'repo:acme/bot:ref:refs/heads/*';
  assert.ok(isLike(branch, 'repo:acme/bot:ref:refs/heads/main'));
  assert.ok(isLike(branch, 'repo:acme/bot:ref:refs/heads/'));
  assert.ok(!isLike(branch, 'repo:acme/bot:ref:refs/heads/x:y'));
  assert.ok(!isLike(branch, 'repo:acme/bot:pull_request'));
  const any = 'repo:acme/*:ref:refs/heads/main';
  assert.ok(isLike(any, 'repo:acme/bot:ref:refs/heads/main'));
  assert.ok(!isLike(any, 'repo:acme/x:pull_request:ref:refs/heads/main'));
  assert.ok(!isLike(any, 'repo:evil/x:ref:refs/heads/main'));
  assert.ok(
    isLike('a*b*c', 'a1b2c') && !isLike('a*b*c', 'a1b2') && !isLike('a*b*c', 'xa1b2c') && isLike('*', 'anything'),
  );
  assert.ok(isLike('spiffe://acme/*', 'spiffe://acme/a') && !isLike('spiffe://acme/*', 'spiffe://acme/a/b', ':/.@'));
  assert.ok(
    isLike('*.bots.example', 'a.bots.example', ':/.@') && !isLike('*.bots.example', 'a.b.bots.example', ':/.@'),
  );
  assert.ok(!isLike('ab*ba', 'aba'), 'no character counts twice');
  for (const literal of ['a.c', 'a?c', '(a|b)', '[a]', 'a$'])
    assert.ok(!isLike(literal, 'abc') && isLike(literal, literal));
});

it('every claim has to be there, as text or in a list of texts, and of nobody else', () => {
  const wanted = { sub: 'a', groups: 'admins' };
  assert.ok(claimsMatch(wanted, { sub: 'a', groups: ['users', 'admins'], more: 1 }));
  for (const said of [
    { sub: 'a' },
    { sub: 'a', groups: 'users' },
    { sub: ['b'], groups: ['admins'] },
    { sub: 1, groups: 'admins' },
  ]) {
    assert.ok(!claimsMatch(wanted, said));
  }
  assert.ok(!claimsMatch({ constructor: '*' }, {}), 'what any object has is no claim');
});

it('keys are asked for by https, or on this machine', () => {
  for (const good of ['https://ci.example', 'http://localhost:1/x', 'http://127.0.0.1:1'])
    assert.equal(addressProblem(good), null);
  for (const bad of ['http://ci.example', 'ftp://ci.example', 'x', 'https://a:b@ci.example', 'file:///etc/passwd']) {
    assert.notEqual(addressProblem(bad), null, bad);
  }
});
