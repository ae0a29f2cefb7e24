import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A certificate that was made for a test, with its key. */
export interface MadeCertificate {
  readonly certificateFile: string;
  readonly keyFile: string;
  /** Both in PEM. */
  readonly certificate: string;
  readonly key: string;
}

export interface WantedCertificate {
  /** Common name. */
  readonly name: string;
  /** Its own key signs it where nobody is named. */
  readonly by?: MadeCertificate;
  /** Lines of OpenSSL's x509v3_config, one extension each. */
  readonly extensions?: readonly string[];
  /** Below 0: it is over. */
  readonly days?: number;
}

export const AUTHORITY: readonly string[] = ['basicConstraints=critical,CA:TRUE'];
export const CLIENT: readonly string[] = ['basicConstraints=CA:FALSE', 'extendedKeyUsage=clientAuth'];

let made = 0;

/** Makes a certificate with OpenSSL's own command. */
export function makeCertificate(folder: string, wanted: WantedCertificate): MadeCertificate {
  const { name, by, extensions = [], days = 1 } = wanted;
  const [request, certificateFile, keyFile, settings] = ['csr', 'crt', 'pem', 'cnf'].map((ending) =>
    join(folder, `${name}-${made}.${ending}`),
  ) as [string, string, string, string];
  made++;
  writeFileSync(settings, extensions.join('\n'));
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', keyFile];
  openssl(['req', '-new', ...newKey, '-out', request, '-subj', `/CN=${name}`]);
  const signed =
    by === undefined
      ? ['-signkey', keyFile]
      : ['-CA', by.certificateFile, '-CAkey', by.keyFile, '-set_serial', String(1000 + made)];
  const extended = extensions.length === 0 ? [] : ['-extfile', settings];
  openssl(['x509', '-req', '-in', request, '-out', certificateFile, '-days', String(days), ...signed, ...extended]);
  const read = (file: string) => readFileSync(file, 'utf8');
  return { certificateFile, keyFile, certificate: read(certificateFile), key: read(keyFile) };
}

function openssl(args: readonly string[]): void {
  const { status, error, stderr } = spawnSync('openssl', args, { encoding: 'utf8' });
  assert.equal(status, 0, `openssl is needed to make a certificate: ${error?.message ?? stderr}`);
}
