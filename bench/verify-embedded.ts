// Verifications per CPU-second in the user's own process, against the one thing that cannot be left out: hashing.
import { hash } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { VerificationRequest } from '@keyhold/protocol/verdict';
import { alternate, median, ownCpuSeconds, sized } from './measure/alternate.ts';
import { compared, publish } from './measure/figure.ts';
import { startFedVerifier } from './replica/fake-control-plane.ts';
import { clientIpOf, ENVIRONMENT, permissionOf, secretOf } from './replica/population.ts';

const CREDENTIALS = sized(1_000_000, 100_000);
const REQUESTS = sized(300_000, 60_000);
/** A process serves requests in turns of its event loop, and its timers run between them. */
const PER_TURN = 200;
/** Turns between two readings of the CPU clock: a reading costs as much as dozens of requests. */
const TURNS = 50;

const { verifier } = await startFedVerifier(CREDENTIALS);
const secrets = Array.from({ length: CREDENTIALS }, (_, i) => secretOf(i));

const run = { verify: () => measure(verifyAll), hash: () => measure(hashAll) };
await run.verify();
await run.hash();
const { verify, hash: bare } = await alternate(run);
publish(compared('verify-embedded', 'verifications per CPU-second', median(verify), median(bare)));
await verifier.stop();

/** Operations per CPU-second, over requests for credentials chosen uniformly; making the requests is not counted. */
async function measure(work: (requests: readonly VerificationRequest[]) => Promise<void>): Promise<number> {
  let spent = 0;
  for (let done = 0; done < REQUESTS; done += PER_TURN * TURNS) {
    const turns = Array.from({ length: TURNS }, () => Array.from({ length: PER_TURN }, randomRequest));
    const before = ownCpuSeconds();
    for (const requests of turns) {
      await work(requests);
      await nextTurn();
    }
    spent += ownCpuSeconds() - before;
  }
  return REQUESTS / spent;
}

function randomRequest(): VerificationRequest {
  const index = Math.floor(Math.random() * CREDENTIALS);
  return {
    key: secrets[index] as string,
    environment: ENVIRONMENT,
    permission: permissionOf(index),
    clientIp: clientIpOf(index),
  };
}

async function verifyAll(requests: readonly VerificationRequest[]): Promise<void> {
  for (const request of requests) {
    const { code } = await verifier.verify(request);
    if (code !== 'VALID') throw new Error(`a valid key was answered ${code}`);
  }
}

async function hashAll(requests: readonly VerificationRequest[]): Promise<void> {
  for (const { key } of requests) {
    if (hash('sha256', key as string, 'hex').length !== 64) throw new Error('no digest');
  }
}
