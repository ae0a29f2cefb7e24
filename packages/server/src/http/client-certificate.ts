import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { type Refusal, refuse } from '@keyhold/protocol/errors';
import { AsnConvert } from '@peculiar/asn1-schema';
import { Certificate, id_ce_subjectAltName, SubjectAlternativeName } from '@peculiar/asn1-x509';

/** What a certificate says of its client, in the names that workloads ask for (`CERTIFICATE_CLAIMS`). */
export type CertificateNames = {
  /** Common names of its subject. */
  readonly cn: readonly string[];
  /** Alternative names (RFC 5280 §4.2.1.6), as they are written there. */
  readonly dns: readonly string[];
  readonly uri: readonly string[];
  readonly email: readonly string[];
  readonly ip: readonly string[];
  /** SHA-256 of the certificate, 64 lower-case hexadecimal digits. */
  readonly fingerprint: string;
};

const COMMON_NAME = '2.5.4.3';

/** What a certificate says, and until when. */
export interface ReadCertificate {
  readonly names: CertificateNames;
  readonly untilMs: number;
}

/**
 * Reads the certificate that a connection was opened with, which OpenSSL followed to an authority that we trust.
 * @param nowMs a connection outlives what it was opened with: times are looked at anew
 */
export function readClientCertificate(socket: Socket, nowMs: number): ReadCertificate | Refusal {
  if (!(socket instanceof TLSSocket)) return refuse('UNAUTHENTICATED', 'Certificates are shown over TLS alone.');
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) {
    return refuse('UNAUTHENTICATED', 'No certificate of a client came with this connection.');
  }
  if (!socket.authorized) {
    return refuse('UNAUTHENTICATED', `The certificate is not trusted here: ${String(socket.authorizationError)}.`);
  }
  const [from, until] = [certificate.validFromDate.getTime(), certificate.validToDate.getTime()];
  // Written so that a time that is none refuses.
  if (!(from <= nowMs && nowMs < until)) return refuse('UNAUTHENTICATED', 'The certificate is over, or not good yet.');
  try {
    const fingerprint = certificate.fingerprint256.replaceAll(':', '').toLowerCase();
    return { names: namesOf(certificate.raw, fingerprint), untilMs: until };
  } catch {
    return refuse('UNAUTHENTICATED', 'The names in the certificate cannot be read.');
  }
}

function namesOf(der: Buffer, fingerprint: string): CertificateNames {
  const { subject, extensions = [] } = AsnConvert.parse(der, Certificate).tbsCertificate;
  const common = [...subject].flatMap((part) => [...part]).filter(({ type }) => type === COMMON_NAME);
  const alternative = [...extensions]
    .filter(({ extnID }) => extnID === id_ce_subjectAltName)
    .flatMap(({ extnValue }) => [...AsnConvert.parse(extnValue, SubjectAlternativeName)]);
  const all = (values: readonly (string | undefined)[]) => values.filter((value) => value !== undefined);
  return {
    cn: common.map(({ value }) => value.toString()),
    dns: all(alternative.map(({ dNSName }) => dNSName)),
    uri: all(alternative.map(({ uniformResourceIdentifier }) => uniformResourceIdentifier)),
    email: all(alternative.map(({ rfc822Name }) => rfc822Name)),
    ip: all(alternative.map(({ iPAddress }) => iPAddress)),
    fingerprint,
  };
}
