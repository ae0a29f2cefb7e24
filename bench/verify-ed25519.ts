// Requests signed with Ed25519 a CPU-second of all threads, against `crypto.verify` alone with a KeyObject on the same bytes.
import { sign, verify } from 'node:crypto';
import { measureSigned } from './replica/verify-signed.ts';

await measureSigned({
  name: 'verify-ed25519',
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
});
