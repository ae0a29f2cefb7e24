import { constants, createPrivateKey, generateKeyPair, type KeyObject, privateDecrypt } from 'node:crypto';
import { promisify } from 'node:util';
import { distributionLabel } from '@keyhold/protocol/verification-messages';
import type { FeedClient } from './feed-client.ts';
import { keyFrom, type WrappingKey } from './open-envelope.ts';

const RSA_BITS = 3072;
/** Keys are few: one an environment, and the ones before it until everything was moved. */
const MAX_KEYS = 10_000;

/** A key pair of this verifier's own: its public half as hex, and what opens what is wrapped to it. */
interface OwnPair {
  readonly wrapTo: string;
  readonly privateKey: KeyObject;
}

/** The keys under which the secrets of `hmac` credentials lie: asked of the control plane, wrapped to this verifier. */
export class DistributionKeys {
  readonly #feed: FeedClient;
  readonly #keys = new Map<string, WrappingKey>();
  readonly #asked = new Map<string, Promise<void>>();
  /** Made when it is first needed: most verifiers never do. */
  #pair: Promise<OwnPair> | null = null;

  constructor(feed: FeedClient) {
    this.#feed = feed;
  }

  /** Whose keys these are; null before the first snapshot. */
  get installation(): string | null {
    return this.#feed.position?.installation ?? null;
  }

  get(id: string): WrappingKey | undefined {
    return this.#keys.get(id);
  }

  /** Asks for a key that isn't here, once however many wait for it. Without an answer it stays away. */
  obtain(id: string): Promise<void> {
    if (this.#keys.has(id)) return Promise.resolve();
    const pending = this.#asked.get(id) ?? this.#ask(id).finally(() => this.#asked.delete(id));
    this.#asked.set(id, pending);
    return pending;
  }

  /** Asks for whatever the replica refers to, before a request needs it. */
  async obtainAll(): Promise<void> {
    for (const id of this.#feed.replica.distributionKeys) if (!this.#keys.has(id)) await this.obtain(id);
  }

  async #ask(id: string): Promise<void> {
    if (!this.#feed.connected) return;
    this.#pair ??= newPair();
    const { wrapTo, privateKey } = await this.#pair;
    const answer = readAnswer(await this.#feed.ask({ distributionKey: id, wrapTo }));
    if (answer === null || this.#keys.size >= MAX_KEYS) return;
    const key = unwrap(privateKey, id, answer.wrapped);
    if (key !== null) this.#keys.set(id, { id, version: answer.version, key });
  }
}

async function newPair(): Promise<OwnPair> {
  const { publicKey, privateKey } = await promisify(generateKeyPair)('rsa', {
    modulusLength: RSA_BITS,
    publicKeyEncoding: { type: 'spki', format: 'der' },
    privateKeyEncoding: { type: 'pkcs8', format: 'der' },
  });
  const own = createPrivateKey({ key: privateKey, format: 'der', type: 'pkcs8' });
  privateKey.fill(0);
  return { wrapTo: publicKey.toString('hex'), privateKey: own };
}

function unwrap(key: KeyObject, id: string, wrapped: string): KeyObject | null {
  const options = { key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' };
  try {
    return keyFrom(
      privateDecrypt({ ...options, oaepLabel: Buffer.from(distributionLabel(id)) }, Buffer.from(wrapped, 'hex')),
    );
  } catch {
    return null;
  }
}

function readAnswer(answer: unknown): { readonly version: number; readonly wrapped: string } | null {
  if (typeof answer !== 'object' || answer === null) return null;
  const { version, wrapped } = answer as Partial<Record<string, unknown>>;
  return typeof version === 'number' && typeof wrapped === 'string' ? { version, wrapped } : null;
}
