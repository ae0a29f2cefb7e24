import type { IncomingMessage } from 'node:http';
import { containsAddress, type PackedNetworks, packNetworks, parseAddress } from '@keyhold/verifier/networks';

/**
 * The client's address: the peer of the connection, or, where that is a trusted proxy, the last address in
 * `X-Forwarded-For` that isn't one. Whatever stands before it was written by the client.
 */
export class ClientAddress {
  readonly #trusted: PackedNetworks;

  /** @throws TypeError naming what is not a network */
  constructor(trustedProxies: readonly string[]) {
    const packed = packNetworks(trustedProxies);
    if ('error' in packed) throw new TypeError(`trustedProxies: ${packed.error}`);
    this.#trusted = packed;
  }

  of(request: IncomingMessage): string | undefined {
    const peer = request.socket.remoteAddress;
    if (peer === undefined || !this.#isTrusted(peer)) return peer;
    const forwarded = String(request.headers['x-forwarded-for'] ?? '')
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== '');
    return forwarded.findLast((address) => !this.#isTrusted(address)) ?? peer;
  }

  #isTrusted(text: string): boolean {
    const address = parseAddress(text);
    return address !== null && containsAddress(this.#trusted, address);
  }
}
