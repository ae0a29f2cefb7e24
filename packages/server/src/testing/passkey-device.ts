import { createHash, generateKeyPairSync, hash, randomBytes, sign } from 'node:crypto';
import type { PasskeySource } from '@keyhold/sdk/signing/confirm-with-passkey';

/** Flags of authenticator data (WebAuthn §6.1): present, verified, with a key. */
const [PRESENT, VERIFIED, WITH_KEY] = [0x01, 0x04, 0x40];

/** A device with one passkey, as a browser speaks for it; made for tests, with a key made for it. */
export class PasskeyDevice implements PasskeySource {
  readonly #key: DeviceKey;
  readonly #id = randomBytes(32);
  /** Whose it is, as whoever asked for it said; base64url. */
  #user: string | null = null;
  /** How often it signed, where it counts. */
  counter = 0;
  origin: string;
  rpId: string;
  /** Whether its owner has shown that he is. */
  verified = true;

  constructor(origin: string, rpId = new URL(origin).hostname, key = newKey()) {
    this.origin = origin;
    this.rpId = rpId;
    this.#key = key;
  }

  get id(): string {
    return this.#id.toString('base64url');
  }

  /** Answers `navigator.credentials.create`, in JSON, without a word on what device it is (attestation "none"). */
  create({ challenge, user }: { readonly challenge: string; readonly user?: { readonly id: string } }): object {
    this.#user = user?.id ?? null;
    const { cose, algorithm } = this.#key;
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
      bytes(authData),
    ]);
    const response = {
      clientDataJSON: this.#client('webauthn.create', challenge).toString('base64url'),
      attestationObject: attestation.toString('base64url'),
      publicKeyAlgorithm: algorithm,
    };
    return { id: this.id, rawId: this.id, type: 'public-key', clientExtensionResults: {}, response };
  }

  /** Answers `navigator.credentials.get`, in JSON. */
  assert({ challenge }: { readonly challenge: string }): object {
    const signed = Object.entries(this.#assertion(challenge)).map(([name, part]) => [name, part.toString('base64url')]);
    const response = { ...Object.fromEntries(signed), userHandle: this.#user };
    return { id: this.id, rawId: this.id, type: 'public-key', clientExtensionResults: {}, response };
  }

  #assertion(challenge: string) {
    const clientDataJSON = this.#client('webauthn.get', challenge);
    const authenticatorData = this.#data(0);
    const signed = Buffer.concat([authenticatorData, createHash('sha256').update(clientDataJSON).digest()]);
    return { clientDataJSON, authenticatorData, signature: this.#key.sign(signed) };
  }

  get({ publicKey }: { readonly publicKey: object }): Promise<unknown> {
    const { challenge } = publicKey as { challenge: Uint8Array };
    const response = this.#assertion(Buffer.from(challenge).toString('base64url'));
    const buffers = Object.entries(response).map(([name, part]) => [name, new Uint8Array(part).buffer]);
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

/** What a device signs with. */
export interface DeviceKey {
  /** COSE number. */
  readonly algorithm: number;
  /** COSE_Key. */
  readonly cose: Buffer;
  readonly sign: (bytes: Buffer) => Buffer;
}

function newKey(): DeviceKey {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const { x = '', y = '' } = publicKey.export({ format: 'jwk' });
  const [left, right] = [x, y].map((part) => bytes(Buffer.from(part, 'base64url'))) as [Buffer, Buffer];
  // RFC 9053 §7.1.1: {1: 2, 3: -7, -1: 1, -2: x, -3: y}
  const head = Buffer.from([0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21]);
  const cose = Buffer.concat([head, left, Buffer.from([0x22]), right]);
  return { algorithm: -7, cose, sign: (signed) => sign('sha256', signed, privateKey) };
}

/** Of a device that has nothing else. */
export function newPostQuantumKey(): DeviceKey {
  const { publicKey, privateKey } = generateKeyPairSync('ml-dsa-44');
  const { pub = '' } = publicKey.export({ format: 'jwk' }) as { pub?: string };
  // {1: 7, 3: -48, -1: pub}
  const head = Buffer.from([0xa3, 0x01, 0x07, 0x03, 0x38, 0x2f, 0x20]);
  const cose = Buffer.concat([head, bytes(Buffer.from(pub, 'base64url'))]);
  return { algorithm: -48, cose, sign: (signed) => sign(null, signed, privateKey) };
}

/** CBOR bytes, 24 to 65,535 of them. */
function bytes(value: Buffer): Buffer {
  const { length } = value;
  return Buffer.concat([Buffer.from(length < 256 ? [0x58, length] : [0x59, length >> 8, length & 0xff]), value]);
}

/** CBOR text of fewer than 24 bytes. */
function text(value: string): Buffer {
  return Buffer.concat([Buffer.from([0x60 + value.length]), Buffer.from(value)]);
}
