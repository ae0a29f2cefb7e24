/** Standard Base 64 (RFC 4648 §4), padded. */
export function toBase64(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

/** Of a last digit before the padding some bits are left over: in the one way of writing bytes they are zero. */
const WHOLE = /^[A-Za-z0-9+/]*(?:[AEIMQUYcgkosw048]=|[AQgw]==)?$/;

/** The bytes, or null where it is not the one way of writing them. */
export function fromBase64(text: string): Uint8Array | null {
  if (text.length % 4 !== 0 || !WHOLE.test(text)) return null;
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}
