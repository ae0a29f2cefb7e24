import { openEnvelope } from '@keyhold/verifier/open-envelope';
// Envelopes of 1 KB opened per CPU-second, against what can't be left out of it: unwrapping the data key, checking its
// commitment and opening the data, with the same KeyObjects and everything else prepared.
import { createDecipheriv, createHash, createSecretKey, type KeyObject, randomBytes } from 'node:crypto';
import { sealEnvelope } from '../packages/server/src/vault/envelope.ts';
import { associatedData, type Place } from '@keyhold/protocol/sealed-field';
import { alternate, median, ownCpuSeconds, sized } from './measure/alternate.ts';
import { compared, publish } from './measure/figure.ts';

const ENVELOPES = 1_000;
const ROUNDS = sized(40, 4);
const BYTES = 1_024;
/** Of a wrapped key: format and version, commitment, nonce, key, tag (`vault/wrapped-key.ts`). */
const [HEADER, COMMITMENT, NONCE, KEY, TAG] = [6, 32, 12, 32, 16];
const WRAPPED = HEADER + COMMITMENT + NONCE + KEY + TAG;

const under = { id: 'vkey_bench', version: 1, key: createSecretKey(randomBytes(32)) };
const places = Array.from({ length: ENVELOPES }, (_, i) => placeOf(i));
const envelopes = places.map((place) => sealEnvelope(under, randomBytes(BYTES), place));
const prepared = envelopes.map((envelope, i) => prepare(Buffer.from(envelope, 'hex'), places[i] as Place));

const sides = { open: () => measure(openAll), bare: () => measure(openBare) };
for (const warmUp of Object.values(sides)) await warmUp();
const { open, bare } = await alternate(sides);
publish(compared('envelope-open', 'envelopes of 1 KB opened per CPU-second', median(open), median(bare)));

function placeOf(index: number): Place {
  const id = `sec_01900000-0000-7000-8000-${index.toString(16).padStart(12, '0')}`;
  const where = { installation: 'inst_bench', project: 'proj_bench', environment: 'env_bench' };
  return { field: 'secret.value', ...where, id, version: 1 };
}

async function measure(work: () => void): Promise<number> {
  const before = ownCpuSeconds();
  for (let round = 0; round < ROUNDS; round++) work();
  return (ENVELOPES * ROUNDS) / (ownCpuSeconds() - before);
}

function openAll(): void {
  for (const [i, envelope] of envelopes.entries()) {
    if (openEnvelope(under, envelope, places[i] as Place).length !== BYTES) throw new Error('not what was sealed');
  }
}

interface Prepared {
  readonly bytes: Buffer;
  readonly keyData: Uint8Array;
  readonly dataData: Uint8Array;
}

function prepare(bytes: Buffer, place: Place): Prepared {
  const hex = (from: number, to: number) => bytes.toString('hex', from, to);
  const commitment = hex(HEADER, HEADER + COMMITMENT);
  const keyData = associatedData('key', place, { key: under.id, header: hex(0, HEADER), commitment });
  return { bytes, keyData, dataData: associatedData('data', place, { commitment }) };
}

function openBare(): void {
  for (const { bytes, keyData, dataData } of prepared) {
    const keyBytes = decipher(under.key, bytes.subarray(HEADER + COMMITMENT, WRAPPED), keyData);
    const commitment = createHash('sha256').update('keyhold/v1/key-commitment\0').update(keyBytes).digest();
    if (!commitment.equals(bytes.subarray(HEADER, HEADER + COMMITMENT))) throw new Error('another key');
    if (decipher(createSecretKey(keyBytes), bytes.subarray(WRAPPED), dataData).length !== BYTES)
      throw new Error('short');
  }
}

function decipher(key: KeyObject, sealed: Buffer, associated: Uint8Array): Buffer {
  const opener = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, NONCE), { authTagLength: TAG });
  opener.setAAD(associated);
  opener.setAuthTag(sealed.subarray(sealed.length - TAG));
  const plaintext = opener.update(sealed.subarray(NONCE, sealed.length - TAG));
  opener.final();
  return plaintext;
}
