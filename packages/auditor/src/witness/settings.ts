import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { type NoteKey, readVerifierKey, SIGNATURE_TYPES, writeVerifierKey } from '@keyhold/protocol/log/signed-note';
import { readTrustPolicy } from '@keyhold/protocol/log/trust-policy';
import { sha256 } from '../note-crypto.ts';

export interface WitnessSettings {
  readonly stateFolder: string;
  readonly name: string;
  /** Whose checkpoints are believed. */
  readonly logs: readonly NoteKey[];
  readonly host: string;
  readonly port: number;
  readonly tls: { readonly cert: string; readonly key: string } | undefined;
}

/** A flag that can't be used, in words for whoever gave it. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
}

const OPTIONS = {
  state: { type: 'string' },
  name: { type: 'string' },
  log: { type: 'string', multiple: true },
  policy: { type: 'string' },
  host: { type: 'string' },
  port: { type: 'string' },
  'tls-cert': { type: 'string' },
  'tls-key': { type: 'string' },
  'behind-proxy': { type: 'boolean' },
} as const;

const DEFAULT_PORT = 7074;
/** `opaque cosigner_name<1..2^8-1>`, `opaque log_origin<1..2^8-1>` (tlog-cosignature). */
const MAX_NAME_BYTES = 255;

/** @throws SettingsError */
export function readSettings(args: readonly string[]): WitnessSettings {
  const values = parse(args);
  if (values.state === undefined) throw new SettingsError('--state FOLDER is missing');
  const tls = readTls(values['tls-cert'], values['tls-key']);
  const host = values.host ?? '127.0.0.1';
  refuseOpenPlaintext(host, tls !== undefined || values['behind-proxy'] === true);
  const logs = onceEach([...(values.log ?? []).map(readLog), ...readPolicy(values.policy)]);
  if (logs.length === 0)
    throw new SettingsError('no log to watch: give --log VKEY, once for each key, or --policy FILE');
  return { stateFolder: resolve(values.state), name: readName(values.name), logs, host, port: port(values.port), tls };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS }).values;
  } catch (error) {
    throw new SettingsError((error as Error).message);
  }
}

/** "The key name SHOULD be a schema-less URL" (tlog-cosignature); ML-DSA-44 signs a bounded one. */
function readName(name: string | undefined): string {
  if (name === undefined) throw new SettingsError('--name NAME is missing, such as witness.example.com/w1');
  if (!/^[^\s+]+$/u.test(name) || name.includes('://') || Buffer.byteLength(name) > MAX_NAME_BYTES) {
    throw new SettingsError('--name takes up to 255 bytes like an address without its scheme: witness.example.com/w1');
  }
  return name;
}

function readLog(vkey: string): NoteKey {
  const key = readVerifierKey(sha256, vkey);
  if (key === null) throw new SettingsError(`--log takes a verifier key (name+id+key), and this is none: ${vkey}`);
  if (key.type === SIGNATURE_TYPES.ed25519Cosignature) {
    throw new SettingsError(`${key.name}: a log does not sign with a cosignature key of Ed25519`);
  }
  return key;
}

/** A flag and a policy may name the same key. @throws SettingsError where ML-DSA-44 can't sign an origin that long */
function onceEach(keys: readonly NoteKey[]): NoteKey[] {
  const long = keys.find(({ name }) => Buffer.byteLength(name) > MAX_NAME_BYTES);
  if (long !== undefined)
    throw new SettingsError(`the name of the log ${long.name} has more than ${MAX_NAME_BYTES} bytes`);
  return [...new Map(keys.map((key) => [writeVerifierKey(key), key])).values()];
}

/** The `log` lines of a trust policy (c2sp.org/tlog-policy). */
function readPolicy(file: string | undefined): readonly NoteKey[] {
  if (file === undefined) return [];
  try {
    return readTrustPolicy(sha256, readFileSync(file, 'utf8')).logs;
  } catch (error) {
    throw new SettingsError(`--policy ${file}: ${(error as Error).message}`);
  }
}

function port(text: string | undefined): number {
  if (text === undefined) return DEFAULT_PORT;
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535) throw new SettingsError('--port takes a port, 0–65535');
  return Number(text);
}

function readTls(certificateFile: string | undefined, keyFile: string | undefined): WitnessSettings['tls'] {
  if (certificateFile === undefined && keyFile === undefined) return undefined;
  if (certificateFile === undefined || keyFile === undefined) {
    throw new SettingsError('--tls-cert and --tls-key go together');
  }
  try {
    return { cert: readFileSync(certificateFile, 'utf8'), key: readFileSync(keyFile, 'utf8') };
  } catch (error) {
    throw new SettingsError((error as Error).message);
  }
}

const LOOPBACK = /^(?:127\.\d{1,3}\.\d{1,3}\.\d{1,3}|::1|localhost)$/;

/** What is answered in the clear can be changed on its way: only loopback is served so. */
function refuseOpenPlaintext(host: string, isProtected: boolean): void {
  if (LOOPBACK.test(host) || isProtected) return;
  throw new SettingsError(
    `${host} is not a loopback address: give --tls-cert and --tls-key, or --behind-proxy when a proxy terminates TLS`,
  );
}
