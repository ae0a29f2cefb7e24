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
