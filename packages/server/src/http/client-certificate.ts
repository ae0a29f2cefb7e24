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

/**
 * Names in the certificate that a connection was opened with, which OpenSSL followed to an authority that we trust.
 * @param nowMs a connection outlives what it was opened with: times are looked at anew
 */
export function readClientCertificate(socket: Socket, nowMs: number): CertificateNames | Refusal {
  const certificate = socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined;
  if (certificate === undefined || !(socket instanceof TLSSocket)) {
    return refuse(
      'UNAUTHENTICATED',
      'No certificate of a client came with this connection, or none is asked for here.',
    );
  }
  if (!socket.authorized) {
    return refuse('UNAUTHENTICATED', `The certificate is not trusted here: ${String(socket.authorizationError)}.`);
  }
  // INVARIANT: below it a connection may change its certificate after it was checked (RFC 5246 §7.4.1.1).
  if (socket.getProtocol() !== 'TLSv1.3') {
    return refuse('UNAUTHENTICATED', 'Certificates of clients are taken over TLS 1.3 alone.');
  }
  const [from, until] = [certificate.validFromDate.getTime(), certificate.validToDate.getTime()];
  // Written so that a time that is none refuses.
  if (!(from <= nowMs && nowMs < until)) return refuse('UNAUTHENTICATED', 'The certificate is over, or not good yet.');
  try {
    return namesOf(certificate.raw, certificate.fingerprint256.replaceAll(':', '').toLowerCase());
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
