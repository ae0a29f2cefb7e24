/** CRC-32 (ISO-HDLC, the one of zlib and PNG): a checksum against typing errors, not a security measure. */

const TABLE: Int32Array = (() => {
  const table = new Int32Array(256);
  for (let n = 0; n < 256; n++) {
    let c = n;
    for (let bit = 0; bit < 8; bit++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
    table[n] = c;
  }
  return table;
})();

/** The checksum of nothing, to be fed character by character. */
export const CRC_START = -1;

export function crcStep(crc: number, unit: number): number {
  return (TABLE[(crc ^ unit) & 0xff] as number) ^ (crc >>> 8);
}

/** The checksum of everything fed, as an unsigned 32-bit number. */
export function crcEnd(crc: number): number {
  return (crc ^ -1) >>> 0;
}

/** CRC-32 of the first `end` code units of an ASCII string, as an unsigned 32-bit number. */
export function crc32Ascii(text: string, end: number): number {
  let crc = CRC_START;
  for (let i = 0; i < end; i++) crc = crcStep(crc, text.charCodeAt(i));
  return crcEnd(crc);
}
