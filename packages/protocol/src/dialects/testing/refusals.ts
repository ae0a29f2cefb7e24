import assert from 'node:assert/strict';
import { it } from 'node:test';
import { VERDICT_CODES, type VerdictCode } from '../../verdict.ts';
import type { Dialect } from '../dialect.ts';
import type { DialectSettings } from '../settings.ts';
import { type CcxtName, ccxtException } from './ccxt.ts';

export type RefusalCode = Exclude<VerdictCode, 'VALID'>;

/** What a caller who has not shown a good key is told, whatever the reason. */
export const STRANGERS: readonly RefusalCode[] = [
  'MALFORMED',
  'WRONG_ENVIRONMENT',
  'NOT_FOUND',
  'SIGNATURE_INVALID',
  'REVOKED',
  'SUSPENDED',
  'NOT_YET_VALID',
  'EXPIRED',
];

export const REFUSAL_CODES: readonly RefusalCode[] = VERDICT_CODES.filter((code) => code !== 'VALID');

/** The classes that ccxt has for it; a dialect names where its exchange's class knows no better one. */
const CLASSES: Readonly<Record<RefusalCode, string>> = {
  ...(Object.fromEntries(STRANGERS.map((code) => [code, 'AuthenticationError'])) as Record<RefusalCode, string>),
  TIMESTAMP_OUT_OF_WINDOW: 'InvalidNonce',
  REPLAYED: 'InvalidNonce',
  NETWORK_NOT_ALLOWED: 'PermissionDenied',
  INSUFFICIENT_PERMISSIONS: 'PermissionDenied',
  DESTINATION_NOT_ALLOWED: 'PermissionDenied',
  SECOND_FACTOR_REQUIRED: 'PermissionDenied',
  RATE_LIMITED: 'RateLimitExceeded',
  QUOTA_EXCEEDED: 'RateLimitExceeded',
  VERIFIER_FENCED: 'ExchangeNotAvailable',
  STORE_UNAVAILABLE: 'ExchangeNotAvailable',
};

/** Tests that hold for the refusals of every dialect. */
export function testRefusals<S extends DialectSettings>(dialect: Dialect<S>, settings: S): void {
  it('tells a stranger "no", and not why', () => {
    const answers = STRANGERS.map((code) => dialect.refuse(code, settings));
    for (const answer of answers) assert.deepEqual(answer, answers[0]);
  });

  it('answers every refusal with JSON and never with a status that lets a request pass', () => {
    for (const code of REFUSAL_CODES) {
      const { status, body } = dialect.refuse(code, settings, 7);
      assert.ok(status >= 400 && status < 600, `${code} is answered with ${status}`);
      assert.doesNotThrow(() => JSON.parse(body));
    }
    assert.throws(() => dialect.refuse('VALID', settings), RangeError);
  });
}

/** And those of a dialect that the real class of ccxt reads. */
export function testCcxtRefusals<S extends DialectSettings>(
  dialect: Dialect<S>,
  settings: S,
  name: CcxtName,
  otherwise: Partial<Record<RefusalCode, string>> = {},
): void {
  it(`is refused as the exception that ccxt's ${name} has for it`, async () => {
    for (const code of REFUSAL_CODES) {
      const expected = otherwise[code] ?? CLASSES[code];
      assert.equal(await ccxtException(name, dialect.refuse(code, settings)), expected, code);
    }
  });
}
