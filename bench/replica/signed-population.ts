import {
  constants,
  createHash,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  publicEncrypt,
  randomBytes,
} from 'node:crypto';
import type { FeedRecord } from '@keyhold/protocol/feed';
import type { DialectSettings } from '@keyhold/protocol/dialects/settings';
import { encodeIssuedSecret } from '@keyhold/protocol/issued-secret';
import { type DistributionKeyQuestion, distributionLabel } from '@keyhold/protocol/verification-messages';
import { keyFrom } from '@keyhold/verifier/open-envelope';
import { sealEnvelope } from '../../packages/server/src/vault/envelope.ts';
import type { Beside } from './fake-control-plane.ts';
import { idOf, LEASED_ENVIRONMENT, PROJECT_ID } from './population.ts';

/** Who signs: ids are those of the population's keys, with a credential more each. */
export interface Signer {
  readonly credential: string;
  readonly secret: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

const DISTRIBUTION_KEY = idOf('vkey', 1);
const bytes = randomBytes(32);
const under = { id: DISTRIBUTION_KEY, version: 1, key: keyFrom(Buffer.from(bytes)) };

/** `count` credentials of each kind that requests are signed with, each of a key of its own. */
export function signedPopulation(
  kind: 'hmac' | 'ed25519',
  count: number,
  dialects: readonly DialectSettings[],
): { signers: readonly Signer[]; beside: Beside } {
  const signers = Array.from({ length: count }, (_, i): Signer => {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    return {
      credential: idOf('cred', 0x800000 + i),
      secret: randomBytes(48).toString('base64'),
      privateKey,
      publicKey,
    };
  });
  const signing = { kind: 'signing', id: idOf('sign', 1), environment: LEASED_ENVIRONMENT } as const;
  const records = signers.flatMap((signer, i) => recordsOf(kind, signer, i));
  const beside = {
    records: [{ ...signing, dialects, replay: 'verifier', replayReads: 'refuse' } as const, ...records],
    answer: (payload: unknown) => wrapFor(payload as DistributionKeyQuestion),
  };
  return { signers, beside };
}

function recordsOf(kind: 'hmac' | 'ed25519', { credential, secret, publicKey }: Signer, i: number): FeedRecord[] {
  const always = { state: 'active', startsAt: null, expiresAt: null } as const;
  const digest = createHash('sha256').update(credential).digest('hex');
  const own = { kind: 'signature-key', id: idOf('skey', i), credential } as const;
  if (kind === 'ed25519') {
    const spki = publicKey.export({ type: 'spki', format: 'der' }).toString('hex');
    return [
      { ...always, kind: 'credential', id: credential, key: idOf('key', i), digest },
      { ...own, algorithm: kind, publicKey: spki },
    ];
  }
  const place = { installation: 'inst_bench', project: PROJECT_ID, environment: LEASED_ENVIRONMENT, id: credential };
  const plaintext = Buffer.from(encodeIssuedSecret({ secret, passphrase: 'none' }));
  const envelope = sealEnvelope(under, plaintext, { field: 'credential.secret', ...place, version: 1 });
  return [
    { ...always, kind: 'credential', id: credential, key: idOf('key', i), digest },
    { ...own, algorithm: kind, envelope, vaultKey: DISTRIBUTION_KEY },
  ];
}

function wrapFor({ wrapTo }: DistributionKeyQuestion) {
  const key = createPublicKey({ key: Buffer.from(wrapTo, 'hex'), format: 'der', type: 'spki' });
  const padded = { key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' };
  const oaepLabel = Buffer.from(distributionLabel(DISTRIBUTION_KEY));
  return { version: 1, wrapped: publicEncrypt({ ...padded, oaepLabel }, bytes).toString('hex') };
}
