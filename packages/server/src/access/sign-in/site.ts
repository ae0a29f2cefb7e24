import type { AddressInfo } from 'node:net';

/** Where people sign in: the origin of the pages, and the domain that their passkeys are of (WebAuthn §5.1.3). */
export interface Site {
  readonly origin: string;
  readonly rpId: string;
}

export function siteOf(publicUrl: string): Site {
  const { origin, hostname } = new URL(publicUrl);
  return { origin, rpId: hostname };
}

/** Where this machine's own browsers find it: passkeys are of a name, and never of an address. */
export function localOriginOf(address: AddressInfo | string | null, isTls: boolean): string {
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return `${isTls ? 'https' : 'http'}://localhost:${port}`;
}
