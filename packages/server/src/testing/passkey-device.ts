import { createHash, generateKeyPairSync, hash, randomBytes, sign } from 'node:crypto';
import type { PasskeySource } from '@keyhold/sdk/signing/confirm-with-passkey';

/** Flags of authenticator data (WebAuthn §6.1): present, verified, with a key. */
const [PRESENT, VERIFIED, WITH_KEY] = [0x01, 0x04, 0x40];

/** A device with one passkey (ES256), as a browser speaks for it; made for tests, with a key made for it. */
export class PasskeyDevice implements PasskeySource {
  readonly #pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  readonly #id = randomBytes(32);
  /** Whose it is, as whoever asked for it said; base64url. */
  #user: string | null = null;
  /** How often it signed, where it counts. */
  counter = 0;
  origin: string;
  rpId: string;
  /** Whether its owner has shown that he is. */
  verified = true;

  constructor(origin: string, rpId = new URL(origin).hostname) {
    this.origin = origin;
    this.rpId = rpId;
  }

  get id(): string {
    return this.#id.toString('base64url');
  }

  /** Answers `navigator.credentials.create`, in JSON, without a word on what device it is (attestation "none"). */
  create({ challenge, user }: { readonly challenge: string; readonly user?: { readonly id: string } }): object {
    this.#user = user?.id ?? null;
    const { x = '', y = '' } = this.#pair.publicKey.export({ format: 'jwk' });
    const point = [x, y].map((part) => Buffer.from(part, 'base64url'));
    // COSE_Key (RFC 9053 §7.1.1): {1: 2, 3: -7, -1: 1, -2: x, -3: y}
    const cose = Buffer.concat([
      Buffer.from([0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20]),
      point[0] as Buffer,
      Buffer.from([0x22, 0x58, 0x20]),
      point[1] as Buffer,
    ]);
    const length = Buffer.from([0, this.#id.length]);
    const authData = Buffer.concat([this.#data(WITH_KEY), Buffer.alloc(16), length, this.#id, cose]);
    // {"fmt": "none", "attStmt": {}, "authData": bytes} (WebAuthn §6.5.4)
    const attestation = Buffer.concat([
      Buffer.from([0xa3]),
      text('fmt'),
      text('none'),
      text('attStmt'),
      Buffer.from([0xa0]),
      text('authData'),
      Buffer.from([0x58, authData.length]),
      authData,
    ]);
    const response = {
      clientDataJSON: this.#client('webauthn.create', challenge).toString('base64url'),
      attestationObject: attestation.toString('base64url'),
      publicKeyAlgorithm: -7,
    };
    return { id: this.id, rawId: this.id, type: 'public-key', clientExtensionResults: {}, response };
  }

  /** Answers `navigator.credentials.get`, in JSON. */
  assert({ challenge }: { readonly challenge: string }): object {
    const signed = Object.entries(this.#assertion(challenge)).map(([name, bytes]) => [
      name,
      bytes.toString('base64url'),
    ]);
    const response = { ...Object.fromEntries(signed), userHandle: this.#user };
    return { id: this.id, rawId: this.id, type: 'public-key', clientExtensionResults: {}, response };
  }

  #assertion(challenge: string) {
    const clientDataJSON = this.#client('webauthn.get', challenge);
    const authenticatorData = this.#data(0);
    const signed = Buffer.concat([authenticatorData, createHash('sha256').update(clientDataJSON).digest()]);
    return { clientDataJSON, authenticatorData, signature: sign('sha256', signed, this.#pair.privateKey) };
  }

  get({ publicKey }: { readonly publicKey: object }): Promise<unknown> {
    const { challenge } = publicKey as { challenge: Uint8Array };
    const response = this.#assertion(Buffer.from(challenge).toString('base64url'));
    const buffers = Object.entries(response).map(([name, bytes]) => [name, new Uint8Array(bytes).buffer]);
    return Promise.resolve({ id: this.id, response: Object.fromEntries(buffers) });
  }

  #client(type: string, challenge: string): Buffer {
    return Buffer.from(JSON.stringify({ type, challenge, origin: this.origin, crossOrigin: false }));
  }

  #data(more: number): Buffer {
    const flags = PRESENT | (this.verified ? VERIFIED : 0) | more;
    const counted = Buffer.alloc(4);
    counted.writeUInt32BE(this.counter);
    return Buffer.concat([hash('sha256', this.rpId, 'buffer'), Buffer.from([flags]), counted]);
  }
}

/** CBOR text of fewer than 24 bytes. */
function text(value: string): Buffer {
  return Buffer.concat([Buffer.from([0x60 + value.length]), Buffer.from(value)]);
}
