/** The witness's only clock: seconds since 1970, as cosignatures say them. */
export function nowSeconds(): number {
  return Math.floor(Date.now() / 1_000);
}
