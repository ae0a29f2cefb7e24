/** What lies in the envelope of an `hmac` credential: its secret, and the passphrase that some dialects send beside it. */
export interface IssuedSecret {
  readonly secret: string;
  readonly passphrase: string;
}

/** Neither has a line break in it: both are base64. */
const SEPARATOR = '\n';

export function encodeIssuedSecret({ secret, passphrase }: IssuedSecret): string {
  return `${secret}${SEPARATOR}${passphrase}`;
}

export function decodeIssuedSecret(text: string): IssuedSecret {
  const end = text.indexOf(SEPARATOR);
  return { secret: text.slice(0, end), passphrase: text.slice(end + 1) };
}
