import { existsSync } from 'node:fs';
import { relative } from 'node:path';
import type { Example, Planes } from './example.ts';

/** How the installation came up; null where its stored seal was tampered with. */
export type Seal = { readonly kind: string; readonly sealed: boolean; readonly keyFile: string } | null;

interface Started extends Omit<Planes, 'verifierUrl'> {
  /** Undefined where none runs here. */
  readonly verifierUrl: string | undefined;
  readonly vaultUrl: string;
  readonly seal: Seal;
  readonly example: Example | null;
}

/** What a person reads after `npm start`. */
export function page({ url, verifierUrl, vaultUrl, bootstrapTokenFile, seal, example }: Started): string {
  const lines = [
    '',
    `  ${bold('Keyhold is running.')}`,
    '',
    `  Control plane   ${url}   reference at ${url}/docs`,
    ...(verifierUrl === undefined ? [] : [`  Verifier        ${verifierUrl}`]),
    `  Vault's API     ${vaultUrl}   for programs that speak HashiCorp Vault`,
    ...(example === null
      ? []
      : [`  Example API     ${example.url}   prices, candles and orders of a synthetic market`]),
    ...peopleLines(url, bootstrapTokenFile),
    ...sealLines(seal),
    ...(example === null ? [] : tour(url, example)),
    '',
    '  Ctrl-C stops everything. The data stays; the next start goes on with it.',
    '',
  ];
  return `${lines.join('\n')}\n`;
}

/** The bootstrap token is there until the first owner is. */
function peopleLines(url: string, bootstrapTokenFile: string): string[] {
  const page = url.replace(/\/\/(?:127\.0\.0\.1|\[::1\])/, '//localhost');
  if (!existsSync(bootstrapTokenFile)) return [`  Sign in         ${page}/sign-in`];
  return [
    `  Bootstrap token ${fromHere(bootstrapTokenFile)}   opens both planes, until the first owner is there`,
    `  First owner     ${page}/enrol   takes that token, and a passkey`,
  ];
}

function fromHere(path: string): string {
  return relative(process.cwd(), path) || path;
}

/** A key file is for development: said each time, because nobody asks. */
function sealLines(seal: Seal): string[] {
  if (seal === null) return ['  Seal            TAMPERED WITH: stored secrets stay closed; look at the alarms'];
  if (seal.sealed) return [`  Seal            ${seal.kind}, SEALED: npm run keyhold -- seal open`];
  if (seal.kind !== 'file') return [`  Seal            ${seal.kind}, unsealed`];
  return [
    `  Seal            key file ${seal.keyFile}`,
    '                  it and the data together open every stored secret; for production: npm run keyhold -- seal change',
  ];
}

function tour(url: string, { url: api, secret, keyId, adminTokenFile }: Example): string[] {
  return [
    '',
    `  ${bold('A demo key')}, which may read prices and candles (shown once; the next start makes another):`,
    '',
    `    ${secret}`,
    '',
    '  Accepted:',
    `    curl -i -H "Authorization: Bearer ${secret}" ${api}/v1/prices/BTC-USD`,
    '',
    '  Refused, since the key may not place orders:',
    `    curl -i -H "Authorization: Bearer ${secret}" -d '{"symbol":"BTC-USD","side":"buy","quantity":1}' ${api}/v1/orders`,
    '',
    '  Revoked, and refused in the same moment:',
    `    curl -H "Authorization: Bearer $(cat ${fromHere(adminTokenFile)})" -H "Content-Type: application/json" -d '{"reason":"unspecified"}' ${url}/v1/keys/${keyId}/revoke; curl -i -H "Authorization: Bearer ${secret}" ${api}/v1/prices/BTC-USD`,
  ];
}

function bold(text: string): string {
  return process.stdout.isTTY === true ? `\x1b[1m${text}\x1b[22m` : text;
}
