import { createHmac, type KeyObject, timingSafeEqual } from 'node:crypto';

const MAC_BYTES = 16;

/**
 * Page cursors: the last id seen, bound by a MAC to the list, its filters and the caller, so that a cursor made
 * elsewhere or by hand is refused instead of showing something else.
 */
export class Cursors {
  readonly #key: KeyObject;

  constructor(key: KeyObject) {
    this.#key = key;
  }

  /** `list` names the list, its filters and the caller. */
  make(list: string, last: string): string {
    return Buffer.concat([this.#mac(list, last), Buffer.from(last)]).toString('base64url');
  }

  /** The last id seen, or null when the cursor is not of this list. */
  read(list: string, cursor: string): string | null {
    const bytes = Buffer.from(cursor, 'base64url');
    if (bytes.length <= MAC_BYTES || bytes.toString('base64url') !== cursor) return null;
    const last = bytes.subarray(MAC_BYTES).toString('utf8');
    return timingSafeEqual(this.#mac(list, last), bytes.subarray(0, MAC_BYTES)) ? last : null;
  }

  #mac(list: string, last: string): Buffer {
    return createHmac('sha256', this.#key).update(`${list}\n${last}`).digest().subarray(0, MAC_BYTES);
  }
}
