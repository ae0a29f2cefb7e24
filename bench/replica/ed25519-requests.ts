import { sign, verify } from 'node:crypto';
import type { SignedMeasure } from './verify-signed.ts';

/** Orders in Binance's style, signed with Ed25519. */
export const ED25519_ORDERS: Omit<SignedMeasure, 'name'> = {
  kind: 'ed25519',
  dialect: { dialect: 'binance' },
  requests: 10_000,
  prepare: ({ credential, privateKey, publicKey }, n) => {
    const payload = Buffer.from(
      `symbol=BTCUSDT&side=BUY&quantity=1&price=${n}&recvWindow=60000&timestamp=${Date.now()}`,
    );
    const signature = sign(null, payload, privateKey);
    const headers = [
      ['Host', 'api.example'],
      ['X-MBX-APIKEY', credential],
    ] as const;
    const target = `/api/v3/order?${payload}&signature=${encodeURIComponent(signature.toString('base64'))}`;
    return {
      received: { method: 'POST', target, scheme: 'https', headers, body: new Uint8Array() },
      bare: () => verify(null, payload, publicKey, signature),
    };
  },
};
