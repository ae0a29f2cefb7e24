import assert from 'node:assert/strict';
import { it } from 'node:test';
import { describeFailure, failureOf } from './failure.ts';

const told = (field: string, ...args: string[]) =>
  describeFailure({ exitCode: 1, code: 'INVALID_INPUT', message: 'no', field }, args);

it('names a failing field by the flag that was typed for it, and by its own name where none was', () => {
  assert.equal(told('/consumer', 'keys', 'issue', '--consumer', 'x'), 'keyhold: INVALID_INPUT: no (--consumer)');
  assert.equal(told('/leaseSeconds', '--lease-seconds=0'), 'keyhold: INVALID_INPUT: no (--lease-seconds)');
  assert.equal(told('/permissions/1', '--permission', 'x'), 'keyhold: INVALID_INPUT: no (--permission)');
  const given = ['--credential', 'public-key', '--dialect', '{}'];
  assert.equal(told('/credential/publicKey', ...given), 'keyhold: INVALID_INPUT: no (--credential: publicKey)');
  assert.equal(told('/dialects/0/signed/1', ...given), 'keyhold: INVALID_INPUT: no (--dialect: signed/1)');
  const both = ['--webhook-url', 'ftp://x', '--url', 'https://keyhold.example'];
  assert.equal(told('/url', ...both), 'keyhold: INVALID_INPUT: no (--webhook-url)');
  assert.equal(told('slug', 'projects', 'show', 'x'), 'keyhold: INVALID_INPUT: no (slug)');
});

it('no refusal of a server speaks to the terminal', () => {
  const failure = { exitCode: 1, code: 'INVALID_INPUT', message: 'a\u001b[2J\nb' };
  assert.equal(describeFailure(failure, []), 'keyhold: INVALID_INPUT: a\\u001b[2J\\u000ab');
  assert.equal(describeFailure({ ...failure, exitCode: 2 }, []), 'keyhold: a\\u001b[2J\\u000ab');
});

it('says of a call that was sent and not answered that nobody knows whether it was done', () => {
  const cause = Object.assign(new Error('Headers Timeout Error'), { code: 'UND_ERR_HEADERS_TIMEOUT' });
  const { code, exitCode } = failureOf(new TypeError('fetch failed', { cause }));
  assert.deepEqual([code, exitCode], ['TIMEOUT', 3]);
});
