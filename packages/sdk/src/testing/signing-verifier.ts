import { generateKeyPairSync, hash } from 'node:crypto';
import type { DialectSettings } from '@keyhold/protocol/dialects/settings';
import type { FeedRecord, SigningRecord } from '@keyhold/protocol/feed';
import { FedClient } from '@keyhold/verifier/testing/fed-client';
import {
  consumerRecord,
  credentialRecord,
  ENVIRONMENT,
  environmentRecord,
  keyRecord,
  makeSecret,
} from '@keyhold/verifier/testing/records';
import type { SharedStore } from '@keyhold/verifier/shared-store';
import { Verifier } from '@keyhold/verifier/verifier';
import { type RequestToSign, type Signer, signRequest } from '../signing/sign-request.ts';

const SIGNED = 'cred_01890a5d-ac96-774b-bcce-b302099a8057';
/** Longer than any dialect looks back: what was signed before a verifier began to remember is not accepted. */
const BEFORE_MS = 700_000;

export const SIGNING = {
  kind: 'signing',
  id: 'sign_1',
  environment: 'env_1',
  replay: 'verifier',
  replayReads: 'refuse',
} as const;

/** The shipped verifier with one key, which has a bearer credential and one of Ed25519; a test is its control plane. */
export class SigningVerifier {
  readonly fed = new FedClient();
  readonly secret = makeSecret();
  /** The one that signs. */
  readonly credential = SIGNED;
  readonly verifier: Verifier;
  readonly #pem: string;
  readonly #others: readonly FeedRecord[];

  constructor(
    dialects: readonly DialectSettings[],
    key: Parameters<typeof keyRecord>[0] = {},
    signing: Partial<Pick<SigningRecord, 'replay' | 'replayReads'>> = {},
    store: SharedStore | null = null,
  ) {
    this.verifier = new Verifier(this.fed.clock, this.fed.client, store);
    const { publicKey, privateKey } = generateKeyPairSync('ed25519');
    this.#pem = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
    this.#others = [
      keyRecord({ permissions: ['orders:write'], ...key }),
      credentialRecord(this.secret),
      credentialRecord('', { id: SIGNED, digest: hash('sha256', SIGNED, 'hex') }),
      {
        kind: 'signature-key',
        id: 'sigk_1',
        credential: SIGNED,
        algorithm: 'ed25519',
        publicKey: publicKey.export({ type: 'spki', format: 'der' }).toString('hex'),
      },
    ];
    this.fed.clock.advance(BEFORE_MS);
    this.verifier.start();
    this.fed.lead([{ ...SIGNING, dialects, ...signing }, ...this.#others]);
  }

  /** A start state with other dialects, in two parts: the settings, then whatever is signed with. */
  snapshotParts(dialects: readonly DialectSettings[]): [readonly FeedRecord[], readonly FeedRecord[]] {
    return [[environmentRecord(), consumerRecord(), { ...SIGNING, dialects }], this.#others];
  }

  /** What a guard takes of it. */
  get guarded() {
    return {
      environment: ENVIRONMENT,
      verify: this.verifier.verify.bind(this.verifier),
      dialects: () => this.verifier.environment(ENVIRONMENT)?.signing?.dialects ?? [],
      clock: this.fed.clock,
    };
  }

  sign(dialect: Signer['dialect'], request: RequestToSign) {
    const key = { kind: 'private', algorithm: 'ed25519', key: this.#pem } as const;
    return signRequest({ dialect, credential: SIGNED, key, now: () => this.fed.clock.wall() }, request);
  }
}
