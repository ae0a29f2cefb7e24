/**
 * Ed25519, ECDSA with P-256, RSA (RFC 9053 §2, RFC 8812 §2). ML-DSA-44, which browsers would choose first, is experimental
 * in the WebCrypto that passkeys are verified with.
 */
export const PASSKEY_ALGORITHMS: readonly number[] = [-8, -7, -257];

/**
 * Why a page of this origin can't use passkeys of this relying party, or null (WebAuthn §5.1.3: the id is the host of the
 * page, or one that it lies under).
 */
export function originProblem(origin: string, rpId: string): string | null {
  const url = URL.parse(origin);
  if (url === null || url.origin !== origin) return 'An origin is scheme, host and port, such as https://app.example.';
  const isLocal = url.hostname === 'localhost';
  if (url.protocol !== 'https:' && !(isLocal && url.protocol === 'http:'))
    return 'Pages with passkeys are served by https.';
  const isUnder = url.hostname === rpId || url.hostname.endsWith(`.${rpId}`);
  return isUnder ? null : `${url.hostname} does not lie under ${rpId}.`;
}
