import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { it } from 'node:test';
import { DIALECT_NAMES } from '@keyhold/protocol/dialects/settings';

const FILES = ['sign-request.ts', 'signing-fetch.ts', 'signing-key.ts', 'local-key.ts'];

/** What is loaded when the files are, types left out, and what is signed where Node's own globals are missing. */
const SCRIPT = `
import { registerHooks } from 'node:module';
const loaded = [];
registerHooks({ resolve(specifier, context, next) { const found = next(specifier, context); loaded.push(found.url); return found; } });
const write = process.stdout.write.bind(process.stdout);
const files = JSON.parse(process.argv[1]);
for (const name of ['Buffer', 'process', 'global', 'setImmediate', 'clearImmediate']) delete globalThis[name];
const [{ signRequest }, , , { generateSigningKey, provePossession }] =
  await Promise.all(files.map((file) => import(file)));
const pair = await generateSigningKey('ed25519');
await provePossession(pair, { environment: 'market/test', holder: 'cons_1' });
const hmac = { dialect: 'hmac', credentialHeader: 'K', signatureHeader: 'S', timestampHeader: 'T',
  signed: ['timestamp', 'method', 'target', { text: '\\n' }, 'body-sha256-hex'], hash: 'sha256', secretEncoding: 'utf8',
  signatureEncoding: 'hex', timestampUnit: 'ms', windowSeconds: 30 };
const signed = [];
for (const dialect of ['rfc9421', 'binance', 'bybit', 'okx', 'kraken', 'coinbase-exchange', 'coinbase-cdp', hmac]) {
  const key = dialect === 'coinbase-cdp' ? { kind: 'private', algorithm: 'ed25519', key: pair.privateKey } : { kind: 'hmac', secret: 'AAAA' };
  const signer = { dialect, credential: 'cred_1', passphrase: 'open', key };
  await signRequest(signer, { method: 'POST', url: 'https://api.example/v1' });
  signed.push(dialect.dialect ?? dialect);
}
write(JSON.stringify({ loaded, signed }));
`;

it('signing runs where there is no Node: WebCrypto alone, and none of its modules', (t) => {
  const urls = FILES.map((file) => new URL(file, import.meta.url).href);
  const args = ['--input-type=module', '--eval', SCRIPT, JSON.stringify(urls)];
  const { loaded, signed } = JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })) as {
    loaded: string[];
    signed: string[];
  };
  assert.deepEqual(signed, DIALECT_NAMES);
  const modules = [...new Set(loaded)];
  const OWN = /\/(?:packages\/(?:sdk|protocol)\/src|node_modules\/typebox)\//;
  assert.deepEqual(
    modules.filter((url) => !url.startsWith('file:') || !OWN.test(url)),
    [],
  );
  for (const url of urls) assert.ok(modules.includes(url));
  t.diagnostic(`${modules.length} modules loaded, ${signed.length} dialects signed`);
});
