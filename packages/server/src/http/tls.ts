import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext, type TlsOptions } from 'node:tls';
import { type Config, ConfigError } from '../config.ts';
import { refuseLooseHanded } from '../file-modes.ts';

/** What a listener speaks TLS with; everything in PEM. */
export interface TlsMaterial {
  readonly cert: string;
  readonly key: string;
  /** Authorities whose certificates clients may show; undefined: they are not asked. */
  readonly clientAuthorities?: readonly string[];
}

/**
 * Certificate and key, where TLS is configured.
 * @throws LooseModes where the key is open to others
 * @throws ConfigError where they are none, or not of each other
 */
export function readTls({ tls }: Pick<Config, 'tls'>): TlsMaterial | undefined {
  if (tls === undefined) return undefined;
  const { certificateFile, keyFile } = tls;
  refuseLooseHanded('TLS key', keyFile);
  const material = { cert: readFileSync(certificateFile, 'utf8'), key: readFileSync(keyFile, 'utf8') };
  try {
    createSecureContext(material);
  } catch (error) {
    const reason = (error as Error).message;
    throw new ConfigError(`--tls-cert ${certificateFile} and --tls-key ${keyFile} cannot be used: ${reason}`);
  }
  return material;
}

/**
 * The same, of the listener that asks clients for certificates; undefined where there is none.
 * @throws ConfigError where the file of the authorities can't be read or holds something else
 */
export function readMutualTls(config: Pick<Config, 'tls' | 'clientCertificates'>): TlsMaterial | undefined {
  const { clientCertificates: asked } = config;
  const tls = asked === undefined ? undefined : readTls(config);
  return tls === undefined ? undefined : { ...tls, clientAuthorities: readAuthorities(asked?.authoritiesFile ?? '') };
}

/**
 * Who shows no certificate, or a bad one, is let in to be told so. INVARIANT: below TLS 1.3 a connection may change its
 * certificate after it was checked (RFC 5246 §7.4.1.1).
 */
export function secureOptions({ cert, key, clientAuthorities }: TlsMaterial): TlsOptions {
  if (clientAuthorities === undefined) return { cert, key };
  const asking = { requestCert: true, rejectUnauthorized: false, minVersion: 'TLSv1.3' } as const;
  return { cert, key, ca: [...clientAuthorities], ...asking };
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** INVARIANT: never empty. Where none is named Node trusts every public authority. */
function readAuthorities(file: string): string[] {
  const text = readText(file);
  const found = text.match(CERTIFICATE) ?? [];
  const isAll = found.length > 0 && text.split('-----BEGIN ').length - 1 === found.length;
  const problem = isAll ? problemOf(found) : 'has to hold certificates in PEM, whole ones, and nothing else in PEM';
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
  if (other !== undefined) return `holds a certificate that is no authority's (${nameOf(other)})`;
  // Node's servers follow a certificate up to one that is its own issuer, or not at all.
  const alone = known.find((one) => !known.some((above) => one.checkIssued(above)));
  return alone === undefined ? null : `lacks the authority above ${nameOf(alone)}: it would count for nothing`;
}

function nameOf({ subject }: X509Certificate): string {
  return subject.replaceAll('\n', ', ');
}

function readCertificate(pem: string): X509Certificate | null {
  try {
    return new X509Certificate(pem);
  } catch {
    return null;
  }
}
