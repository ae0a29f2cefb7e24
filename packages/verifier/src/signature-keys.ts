import { createPublicKey, createSecretKey, hash, type KeyObject, timingSafeEqual } from 'node:crypto';
import { availableParallelism } from 'node:os';
import type { ReceivedRequest, SignatureAlgorithm, SignedClaim } from '@keyhold/protocol/dialects/dialect';
import type { SignatureKeyRecord } from '@keyhold/protocol/feed';
import type { Place } from '@keyhold/protocol/sealed-field';
import { decodeIssuedSecret } from '@keyhold/protocol/issued-secret';
import type { DistributionKeys } from './distribution-keys.ts';
import { EnvelopeBroken, openEnvelope, type WrappingKey } from './open-envelope.ts';
import type { ReplicaEnvironment } from './replica.ts';
import { isHmac, isSignedWith, verifyElsewhere } from './verify-signature.ts';

/** Opened keys kept: the plaintext of that many secrets at most is in memory; the one used longest ago goes. */
const MAX_OPENED = 10_000;

/** What signatures of one credential are checked with. */
type Opened =
  | { readonly kind: 'public'; readonly key: KeyObject }
  | {
      readonly kind: 'hmac';
      /** The secret as its text, and as what that text is base64 of. */
      readonly text: KeyObject;
      readonly bytes: KeyObject;
      readonly passphrase: Buffer;
    };

/** Signed by whom it says; not; or null where that can't be found out now. */
export type Proof = boolean | null;

/** Checks signatures with the keys of credentials, opened when they are first needed. */
export class SignatureKeys {
  readonly #distribution: DistributionKeys;
  readonly #opened = new Map<string, Opened>();
  readonly #broken: (credential: string) => void;

  readonly #maxOpened: number;
  readonly #check: typeof checkElsewhere;

  /**
   * @param broken told of a credential whose secret does not open where it lies
   * @param cores that this process may use: on one alone, handing work over to a thread only costs
   */
  constructor(
    distribution: DistributionKeys,
    broken: (credential: string) => void = () => {},
    maxOpened: number = MAX_OPENED,
    cores: number = availableParallelism(),
  ) {
    this.#distribution = distribution;
    this.#broken = broken;
    this.#maxOpened = maxOpened;
    this.#check = cores > 1 ? checkElsewhere : checkHere;
  }

  /** Secrets and public keys held open. */
  get size(): number {
    return this.#opened.size;
  }

  /** Lets go of what is of no credential any more: a secret that was destroyed is not kept for its use. */
  forgetAllBut(isKnown: (credential: string) => boolean): void {
    for (const credential of this.#opened.keys()) if (!isKnown(credential)) this.#opened.delete(credential);
  }

  /** Whether the claim is true of the request. At once with `hmac`; on another core, where there is one, with a public key. */
  prove(
    record: SignatureKeyRecord,
    environment: ReplicaEnvironment,
    claim: SignedClaim,
    request: ReceivedRequest,
  ): Proof | Promise<Proof> {
    const algorithm = algorithmFor(record, claim.algorithms);
    if (algorithm === null || !digestsMatch(claim, request)) return false;
    const opened = this.#take(record.credential) ?? this.#open(record, environment);
    if (opened !== null) return this.#check(opened, algorithm, claim);
    if (record.algorithm !== 'hmac') return false;
    return this.#obtain(record, environment).then((late) => (late === null ? null : checkHere(late, algorithm, claim)));
  }

  async #obtain(record: SignatureKeyRecord, environment: ReplicaEnvironment): Promise<Opened | null> {
    if (record.algorithm === 'hmac') await this.#distribution.obtain(record.vaultKey);
    return this.#open(record, environment);
  }

  #take(credential: string): Opened | undefined {
    const opened = this.#opened.get(credential);
    if (opened === undefined) return undefined;
    this.#opened.delete(credential);
    this.#opened.set(credential, opened);
    return opened;
  }

  /** What a credential is verified with never changes, so what was opened once stays true of it. */
  #open(record: SignatureKeyRecord, environment: ReplicaEnvironment): Opened | null {
    const opened =
      record.algorithm === 'hmac' ? this.#openSecret(record, environment) : openPublicKey(record.publicKey);
    if (opened === null) return null;
    this.#opened.set(record.credential, opened);
    if (this.#opened.size > this.#maxOpened) this.#opened.delete(this.#opened.keys().next().value as string);
    return opened;
  }

  #openSecret(
    { credential, vaultKey, envelope }: SignatureKeyRecord & { readonly algorithm: 'hmac' },
    { id, projectId }: ReplicaEnvironment,
  ): Opened | null {
    const under = this.#distribution.get(vaultKey);
    const installation = this.#distribution.installation;
    if (under === undefined || installation === null) return null;
    const place = { project: projectId, environment: id, id: credential, version: 1, installation };
    const plaintext = openedOrNull(under, envelope, { field: 'credential.secret', ...place });
    if (plaintext === null) {
      this.#broken(credential);
      return null;
    }
    const { secret, passphrase } = decodeIssuedSecret(plaintext.toString('utf8'));
    plaintext.fill(0);
    const [text, bytes] = [Buffer.from(secret, 'utf8'), Buffer.from(secret, 'base64')];
    const opened = {
      kind: 'hmac' as const,
      text: createSecretKey(text),
      bytes: createSecretKey(bytes),
      passphrase: hash('sha256', passphrase, 'buffer'),
    };
    text.fill(0);
    bytes.fill(0);
    return opened;
  }
}

/** What does not open where it lies is not served. */
function openedOrNull(under: WrappingKey, envelope: string, place: Place): Buffer | null {
  try {
    return openEnvelope(under, envelope, place);
  } catch (error) {
    if (error instanceof EnvelopeBroken) return null;
    throw error;
  }
}

function openPublicKey(hex: string): Opened | null {
  try {
    return { kind: 'public', key: createPublicKey({ key: Buffer.from(hex, 'hex'), format: 'der', type: 'spki' }) };
  } catch {
    return null;
  }
}

function checkElsewhere(opened: Opened, algorithm: SignatureAlgorithm, claim: SignedClaim): boolean | Promise<boolean> {
  return opened.kind === 'public' && !isHmac(algorithm)
    ? verifyElsewhere(opened.key, algorithm, claim)
    : checkHere(opened, algorithm, claim);
}

function checkHere(opened: Opened, algorithm: SignatureAlgorithm, claim: SignedClaim): boolean {
  // INVARIANT: no public key is ever the key of an HMAC, whatever a record says after it was opened.
  if ((opened.kind === 'hmac') !== isHmac(algorithm)) return false;
  if (opened.kind === 'public') return isSignedWith(opened.key, algorithm, claim);
  const key = claim.secretEncoding === 'base64' ? opened.bytes : opened.text;
  const signed = isSignedWith(key, algorithm, claim);
  if (claim.passphrase === undefined) return signed;
  // Both are looked at, whichever is wrong.
  return timingSafeEqual(hash('sha256', claim.passphrase, 'buffer'), opened.passphrase) && signed;
}

/** The one of the claim's that this kind of key makes. */
function algorithmFor(
  { algorithm }: SignatureKeyRecord,
  claimed: readonly SignatureAlgorithm[],
): SignatureAlgorithm | null {
  const found = claimed.find((candidate) =>
    algorithm === 'hmac' ? isHmac(candidate) : candidate.startsWith(algorithm === 'rsa' ? 'rsa-' : algorithm),
  );
  return found ?? null;
}

/** A signed digest binds the body only where it is the body's. */
function digestsMatch({ digests }: SignedClaim, { body }: ReceivedRequest): boolean {
  // Whoever has the body checks it: he said so by not handing it over.
  if (body === null) return true;
  return digests.every(({ algorithm, value }) => {
    const actual = hash(algorithm === 'sha-256' ? 'sha256' : 'sha512', body, 'buffer');
    return actual.length === value.length && timingSafeEqual(actual, value);
  });
}
