import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { it } from 'node:test';
import type { VerificationRequest } from '@keyhold/protocol/verdict';
import { createVerifierClient } from './client.ts';
import { listening } from './testing/raw-http.ts';
import { verifyRemotely } from './verify-remotely.ts';

/** What a verifier process is sent. */
async function sentFor(request: Partial<VerificationRequest>): Promise<Record<string, unknown>> {
  let sent: Record<string, unknown> = {};
  const server = createServer((asked, response) => {
    const chunks: Buffer[] = [];
    asked.on('data', (chunk: Buffer) => chunks.push(chunk));
    asked.on('end', () => {
      sent = JSON.parse(Buffer.concat(chunks).toString());
      response.writeHead(200, { 'content-type': 'application/json' }).end('{"valid":true,"code":"VALID"}');
    });
  });
  await using open = await listening(server);
  const client = createVerifierClient({ url: `http://127.0.0.1:${open.port}`, token: 'token' });
  const verdict = await verifyRemotely(client)({ environment: 'market/test', key: 'key', ...request });
  assert.equal(verdict.code, 'VALID');
  return sent;
}

it('what no verifier reads is left out, as it counts for nothing: the verdict says so, not that nobody can be asked', async () => {
  const good = { destination: '😀'.repeat(200), clientIp: '::', secondFactor: { otp: '123456' } };
  assert.deepEqual(await sentFor(good), { environment: 'market/test', key: 'key', ...good });
  for (const destination of ['', 'a'.repeat(201), 'a\0', 'a\ud800'])
    assert.equal((await sentFor({ destination })).destination, undefined);
  for (const clientIp of ['', '1', 'f'.repeat(46)]) assert.equal((await sentFor({ clientIp })).clientIp, undefined);
  for (const otp of ['', '12345', '0'.repeat(33), 'abcdef'])
    assert.equal((await sentFor({ secondFactor: { otp } })).secondFactor, undefined);
});
