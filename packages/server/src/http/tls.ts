import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { TlsOptions } from 'node:tls';
import { type Config, ConfigError } from '../config.ts';

/** What a listener speaks TLS with; everything in PEM. */
export interface TlsMaterial {
  readonly cert: string;
  readonly key: string;
  /** Authorities whose certificates clients may show; undefined: they are not asked. */
  readonly clientAuthorities?: readonly string[];
}

/** Certificate and key, where TLS is configured. */
export function readTls({ tls }: Pick<Config, 'tls'>): TlsMaterial | undefined {
  if (tls === undefined) return undefined;
  return { cert: readFileSync(tls.certificateFile, 'utf8'), key: readFileSync(tls.keyFile, 'utf8') };
}

/**
 * The same, of a listener that asks clients for certificates where that is configured.
 * @throws ConfigError where the file of the authorities can't be read or holds something else
 */
export function readMutualTls(config: Pick<Config, 'tls' | 'clientAuthoritiesFile'>): TlsMaterial | undefined {
  const [tls, file] = [readTls(config), config.clientAuthoritiesFile];
  return tls === undefined || file === undefined ? tls : { ...tls, clientAuthorities: readAuthorities(file) };
}

/** Who shows no certificate, or a bad one, is a stranger like others: whoever needs a good one asks for it himself. */
export function secureOptions({ cert, key, clientAuthorities }: TlsMaterial): TlsOptions {
  if (clientAuthorities === undefined) return { cert, key };
  return { cert, key, ca: [...clientAuthorities], requestCert: true, rejectUnauthorized: false };
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** INVARIANT: never empty. With none Node would trust every public authority. */
function readAuthorities(file: string): string[] {
  const found = readText(file).match(CERTIFICATE) ?? [];
  const problem = found.length === 0 ? 'holds no certificate in PEM' : problemOf(found);
  if (problem !== null) throw new ConfigError(`--tls-client-ca: ${file} ${problem}`);
  return found;
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new ConfigError(`--tls-client-ca: ${file} cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
}

function problemOf(all: readonly string[]): string | null {
  const read = all.map(readCertificate);
  if (read.includes(null)) return 'holds a certificate that cannot be read';
  const known = read.filter((one) => one !== null);
  const other = known.find(({ ca }) => !ca);
  if (other !== undefined)
    return `holds a certificate that is no authority's (${other.subject.replaceAll('\n', ', ')})`;
  // Node's servers follow a certificate up to one that is its own issuer, or not at all.
  const root = known.some((one) => one.checkIssued(one));
  return root ? null : 'holds no authority of its own issuing: add the one at the top';
}

function readCertificate(pem: string): X509Certificate | null {
  try {
    return new X509Certificate(pem);
  } catch {
    return null;
  }
}
