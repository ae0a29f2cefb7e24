// RFC 9421 requests with Content-Digest, parsed and verified (hmac-sha256), a CPU-second, against the HMAC and the digest alone.
import { createHmac, createSecretKey, hash, timingSafeEqual } from 'node:crypto';
import { isMalformed } from '@keyhold/protocol/dialects/dialect';
import { rfc9421 } from '@keyhold/protocol/dialects/rfc9421/rfc9421';
import { signRequest } from '@keyhold/sdk/signing/sign-request';
import { measureSigned } from './replica/verify-signed.ts';

const SETTINGS = { dialect: 'rfc9421', maxAgeSeconds: 600 } as const;

await measureSigned({
  name: 'verify-rfc9421',
  kind: 'hmac',
  dialect: SETTINGS,
  requests: 30_000,
  prepare: async ({ credential, secret }, n) => {
    const body = Buffer.from(`{"symbol":"BTCUSDT","side":"BUY","quantity":"1","price":"${n}"}`);
    const signer = { dialect: SETTINGS, credential, key: { kind: 'hmac', secret } } as const;
    const signed = await signRequest(signer, { method: 'POST', url: 'https://api.example/v1/orders?a=1', body });
    const headers = [['Host', 'api.example'] as const, ...signed.headers];
    const received = { method: 'POST', target: '/v1/orders?a=1', scheme: 'https', headers, body } as const;
    const claim = rfc9421.read(received, SETTINGS);
    if (isMalformed(claim)) throw new Error(claim.malformed);
    const key = createSecretKey(Buffer.from(secret, 'base64'));
    const [base] = claim.base as [Uint8Array];
    const [digest] = claim.digests;
    return {
      received,
      bare: () =>
        timingSafeEqual(createHmac('sha256', key).update(base).digest(), claim.signature) &&
        timingSafeEqual(hash('sha256', body, 'buffer'), digest?.value ?? new Uint8Array(32)),
    };
  },
});
