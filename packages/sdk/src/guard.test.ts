import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { it } from 'node:test';
import { VERDICT_CODES, type Verdict, type VerdictCode, type VerificationRequest } from '@keyhold/protocol/verdict';
import { createVerifierClient } from './client.ts';
import { createGuard } from './guard.ts';
import { KeyholdError } from './keyhold-error.ts';
import { verifyRemotely } from './verify-remotely.ts';

interface Guarded extends AsyncDisposable {
  readonly seen: VerificationRequest[];
  readonly refused: Verdict[];
  ask(headers: Record<string, string>): Promise<{ status: number; body: Record<string, unknown>; headers: Headers }>;
}

/** A guarded server whose verifier answers as told. */
async function guarded(verify: (request: VerificationRequest) => Promise<Verdict>): Promise<Guarded> {
  const seen: VerificationRequest[] = [];
  const refused: Verdict[] = [];
  const guard = createGuard({
    environment: 'market/test',
    refused: (verdict) => void refused.push(verdict),
    clock: { wall: () => Date.UTC(2026, 0, 1) },
    verify: (request) => {
      seen.push(request);
      return verify(request);
    },
  });
  const server = createServer((request, response) => {
    void guard(request, response, { permission: 'prices:read', cost: 2 }).then((verdict) => {
      if (verdict !== null) response.end('{"served":true}');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  return {
    seen,
    refused,
    ask: async (headers) => {
      const response = await fetch(`http://127.0.0.1:${port}/`, { headers });
      return { status: response.status, body: JSON.parse(await response.text()), headers: response.headers };
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const WITH_KEY = { authorization: 'Bearer some-key' };

it('serves what is valid, and hands over key, environment, permission, cost and the peer address', async () => {
  await using server = await guarded(async () => ({ valid: true, code: 'VALID' }));
  assert.deepEqual((await server.ask(WITH_KEY)).body, { served: true });
  const [{ key, environment, permission, cost, clientIp } = {}] = server.seen;
  assert.deepEqual(
    { key, environment, permission, cost },
    {
      key: 'some-key',
      environment: 'market/test',
      permission: 'prices:read',
      cost: 2,
    },
  );
  assert.match(clientIp ?? '', /127\.0\.0\.1$/);
});

it('asks nobody when there is no key', async () => {
  await using server = await guarded(async () => ({ valid: true, code: 'VALID' }));
  for (const headers of [{}, { authorization: 'Basic abc' }, { authorization: 'Bearer ' }]) {
    assert.equal((await server.ask(headers)).status, 401);
  }
  assert.equal(server.seen.length, 0);
});

const OPEN: Partial<Record<VerdictCode, number>> = {
  TIMESTAMP_OUT_OF_WINDOW: 401,
  REPLAYED: 401,
  DESTINATION_NOT_ALLOWED: 403,
  NETWORK_NOT_ALLOWED: 403,
  INSUFFICIENT_PERMISSIONS: 403,
  SECOND_FACTOR_REQUIRED: 403,
  RATE_LIMITED: 429,
  QUOTA_EXCEEDED: 429,
  VERIFIER_FENCED: 503,
  STORE_UNAVAILABLE: 503,
};

it('answers all refusals of strangers alike, and the others with a status of their own', async () => {
  const strangers = new Set<string>();
  for (const code of VERDICT_CODES.filter((code) => code !== 'VALID')) {
    await using server = await guarded(async () => ({ valid: false, code }));
    const { status, body } = await server.ask(WITH_KEY);
    assert.equal(status, OPEN[code] ?? 401, code);
    if (OPEN[code] === undefined) strangers.add(JSON.stringify(body));
  }
  assert.equal(strangers.size, 1);
});

it('says when to come back', async () => {
  const limit = { name: 'minute', limit: 1, remaining: 0, resetSeconds: 60 };
  const rateLimits = [limit, { ...limit, name: 'hour', retryAfterSeconds: 90 }];
  await using limited = await guarded(async () => ({ valid: false, code: 'RATE_LIMITED', rateLimits }));
  assert.equal((await limited.ask(WITH_KEY)).headers.get('retry-after'), '90');
  await using never = await guarded(async () => ({ valid: false, code: 'RATE_LIMITED', rateLimits: [limit] }));
  const { status, headers } = await never.ask(WITH_KEY);
  assert.deepEqual([status, headers.get('retry-after')], [429, null]);
  const quota = { limit: 1, remaining: 0, period: 'hour', resetsAt: '2026-01-01T01:00:00.000Z' } as const;
  await using used = await guarded(async () => ({ valid: false, code: 'QUOTA_EXCEEDED', quota }));
  assert.equal((await used.ask(WITH_KEY)).headers.get('retry-after'), '3600');
});

it('fails closed when the verifier cannot be asked; its operator hears why, and its client does not', async () => {
  const nobody = createVerifierClient({ url: 'http://127.0.0.1:1', token: 'any' });
  const problem = { status: 401, code: 'UNAUTHENTICATED', detail: 'This token opens nothing here.' } as const;
  for (const [verify, why] of [
    [() => Promise.reject(new Error('gone')), /gone/],
    [() => Promise.reject(new KeyholdError(problem)), /UNAUTHENTICATED: This token opens nothing here/],
    [verifyRemotely(nobody), /fetch failed \(.+\)/],
  ] as const) {
    await using server = await guarded(verify);
    const { status, body } = await server.ask(WITH_KEY);
    assert.equal(status, 503);
    const [told] = server.refused;
    assert.equal(told?.code, 'STORE_UNAVAILABLE');
    assert.match(told?.reason ?? '', why);
    assert.doesNotMatch(JSON.stringify(body), why);
  }
});

it('what is too large for its verifier is answered as what is too large for the guard', async () => {
  const answers = () => Promise.reject(new KeyholdError({ status: 413, code: 'BODY_TOO_LARGE' }));
  await using server = await guarded(answers);
  assert.equal((await server.ask(WITH_KEY)).status, 413);
  const client = createVerifierClient({ url: 'http://127.0.0.1:1', token: 'any' });
  const request = { method: 'POST', target: '/', scheme: 'https', headers: [] } as const;
  const body = new Uint8Array(1024 * 1024 + 1);
  await assert.rejects(verifyRemotely(client)({ environment: 'a/b', request: { ...request, body } }), {
    code: 'BODY_TOO_LARGE',
  });
});
