import assert from 'node:assert/strict';
import { it } from 'node:test';
import { DIALECTS } from './dialects/dialects.ts';
import { REFUSAL_CODES, STRANGERS } from './dialects/testing/refusals.ts';
import { refusalOf } from './http-refusal.ts';

const RFC9421 = { dialect: DIALECTS.rfc9421, settings: { dialect: 'rfc9421' } } as const;

/** Code and status of the problem that a client is answered. */
function told(code: (typeof REFUSAL_CODES)[number], recognised: Parameters<typeof refusalOf>[1]) {
  const { status, headers, body } = refusalOf({ valid: false, code }, recognised, 0);
  assert.ok(headers.some(([name, value]) => name === 'content-type' && value.startsWith('application/problem+json')));
  assert.equal(JSON.parse(body).status, status);
  return [status, JSON.parse(body).code];
}

it('tells a client in problem details what it can do something about, and a stranger no more than "no"', () => {
  for (const recognised of [null, RFC9421 as never]) {
    const answers = Object.fromEntries(REFUSAL_CODES.map((code) => [code, told(code, recognised)]));
    assert.deepEqual(answers, {
      ...Object.fromEntries(STRANGERS.map((code) => [code, [401, 'KEY_INVALID']])),
      TIMESTAMP_OUT_OF_WINDOW: [401, 'TIMESTAMP_OUT_OF_WINDOW'],
      REPLAYED: [401, 'REPLAYED'],
      NETWORK_NOT_ALLOWED: [403, 'NETWORK_NOT_ALLOWED'],
      INSUFFICIENT_PERMISSIONS: [403, 'INSUFFICIENT_PERMISSIONS'],
      DESTINATION_NOT_ALLOWED: [403, 'DESTINATION_NOT_ALLOWED'],
      SECOND_FACTOR_REQUIRED: [403, 'SECOND_FACTOR_REQUIRED'],
      RATE_LIMITED: [429, 'RATE_LIMITED'],
      QUOTA_EXCEEDED: [429, 'QUOTA_EXCEEDED'],
      VERIFIER_FENCED: [503, 'UNAVAILABLE'],
      STORE_UNAVAILABLE: [503, 'UNAVAILABLE'],
    });
  }
});
