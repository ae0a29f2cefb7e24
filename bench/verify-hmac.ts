// Signed requests in Binance's style a CPU-second, against HMAC-SHA256 alone with a KeyObject on the same bytes.
import { createHmac, createSecretKey, timingSafeEqual } from 'node:crypto';
import { measureSigned } from './replica/verify-signed.ts';

await measureSigned({
  name: 'verify-hmac',
  kind: 'hmac',
  dialect: { dialect: 'binance' },
  requests: 100_000,
  prepare: ({ credential, secret }, n) => {
    const order = `symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=${9000 + n}`;
    const payload = `${order}&recvWindow=60000&timestamp=${Date.now()}`;
    const key = createSecretKey(Buffer.from(secret));
    const signature = createHmac('sha256', key).update(payload).digest();
    const headers = [
      ['Host', 'api.example'],
      ['X-MBX-APIKEY', credential],
      ['User-Agent', 'bench'],
      ['Content-Length', '0'],
    ] as const;
    const target = `/api/v3/order?${payload}&signature=${signature.toString('hex')}`;
    return {
      received: { method: 'POST', target, scheme: 'https', headers, body: new Uint8Array() },
      bare: () => timingSafeEqual(createHmac('sha256', key).update(payload).digest(), signature),
    };
  },
});
