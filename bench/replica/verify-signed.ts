import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ReceivedRequest } from '@keyhold/protocol/dialects/dialect';
import type { VerificationRequest } from '@keyhold/protocol/verdict';
import { alternate, median, ownCpuSeconds, sized } from '../measure/alternate.ts';
import { compared, publish } from '../measure/figure.ts';
import { startFedVerifier } from './fake-control-plane.ts';
import { clientIpOf, ENVIRONMENT, permissionOf } from './population.ts';
import { type Signer, signedPopulation } from './signed-population.ts';

/** A request, and the bare primitive on the same bytes. */
export interface Prepared {
  readonly received: ReceivedRequest;
  readonly bare: () => boolean;
}

/** What is signed, and how. */
export interface SignedMeasure {
  readonly name: string;
  readonly kind: 'hmac' | 'ed25519';
  readonly dialect: Parameters<typeof signedPopulation>[2][number];
  readonly requests: number;
  /** Signs as a client does; not counted. `n` is another one each time. */
  readonly prepare: (signer: Signer, n: number) => Promise<Prepared> | Prepared;
}

const SIGNERS = 1_000;
/** Signed before they are verified. */
const AT_ONCE = 2_000;
/** Requests of one turn of the event loop. */
const PER_TURN = 100;
const SETTLING_TURNS = 20;

/**
 * Verifications of signed requests a CPU-second of all threads, or a second of the wall clock, against the bare primitive
 * with the same KeyObjects, which is of one thread.
 */
export async function measureSigned(
  { name, kind, dialect, requests, prepare }: SignedMeasure,
  by: 'cpu' | 'wall' = 'cpu',
): Promise<void> {
  const { signers, beside } = signedPopulation(kind, SIGNERS, [dialect]);
  const { verifier } = await startFedVerifier(SIGNERS, beside);
  let n = 0;
  const made = async (count: number) => {
    const list: { request: VerificationRequest; bare: () => boolean }[] = [];
    for (let i = 0; i < count; i++) {
      const index = n % SIGNERS;
      const { received, bare } = await prepare(signers[index] as Signer, n++);
      // In one piece, as the parser of HTTP hands it over; what was put together of pieces would be copied when it is read.
      const target = Buffer.from(received.target, 'latin1').toString('latin1');
      const asked = { environment: ENVIRONMENT, permission: permissionOf(index), clientIp: clientIpOf(index) };
      list.push({ request: { request: { ...received, target }, ...asked }, bare });
    }
    return list;
  };
  // What was signed before the verifier began to remember is not accepted; and every secret is opened once.
  for (let accepted = false; !accepted; ) {
    const list = await made(SIGNERS);
    const verdicts = await Promise.all(list.map(({ request }) => verifier.verify(request)));
    accepted = verdicts.every(({ code }) => code === 'VALID');
  }
  let wallSeconds = 0;
  const verifyAll = async (list: Awaited<ReturnType<typeof made>>) => {
    const from = performance.now();
    for (let i = 0; i < list.length; i += PER_TURN) {
      const verdicts = await Promise.all(list.slice(i, i + PER_TURN).map(({ request }) => verifier.verify(request)));
      for (const { code } of verdicts) if (code !== 'VALID') throw new Error(`a signed request was answered ${code}`);
      await nextTurn();
    }
    wallSeconds += (performance.now() - from) / 1000;
  };
  const bareAll = async (list: Awaited<ReturnType<typeof made>>) => {
    for (let i = 0; i < list.length; i += PER_TURN) {
      for (const { bare } of list.slice(i, i + PER_TURN)) if (!bare()) throw new Error('the bare primitive refuses');
      await nextTurn();
    }
  };
  let verified = 0;
  const measure = async (work: typeof verifyAll) => {
    let [spent, count] = [0, 0];
    // A few at a time: what is signed beforehand would be a heap that no server has.
    for (; count < sized(requests, requests / 10); count += AT_ONCE) {
      const list = await made(AT_ONCE);
      // What signing left behind in native memory is freed in the turns after it: not at the cost of what is measured.
      for (let i = 0; i < SETTLING_TURNS; i++) await nextTurn();
      const before = ownCpuSeconds();
      await work(list);
      spent += ownCpuSeconds() - before;
    }
    if (work === verifyAll) verified += count;
    return count / spent;
  };
  const { verify, bare } = await alternate({ verify: () => measure(verifyAll), bare: () => measure(bareAll) });
  const wall = Math.round(verified / wallSeconds);
  const cores = (wall / median(verify)).toFixed(2);
  const notes = [`by the wall clock ${wall} a second, on ${cores} cores at once`];
  if (by === 'wall') publish(compared(name, 'verifications per second, all cores', wall, median(bare), notes));
  else publish(compared(name, 'verifications per CPU-second', median(verify), median(bare), notes));
  await verifier.stop();
}
