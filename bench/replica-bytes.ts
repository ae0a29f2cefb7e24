// Memory per credential, everything that a decision needs included, with the state of its limit.
import { sized } from './measure/alternate.ts';
import { alone, publish } from './measure/figure.ts';
import { heldBytes } from './measure/held-bytes.ts';
import { startFedVerifier } from './replica/fake-control-plane.ts';
import { clientIpOf, ENVIRONMENT, permissionOf, secretOf } from './replica/population.ts';

const CREDENTIALS = sized(1_000_000, 100_000);

const empty = await startFedVerifier(0);
const before = heldBytes();
const full = await startFedVerifier(CREDENTIALS);
for (let index = 0; index < CREDENTIALS; index++) {
  const verdict = await full.verifier.verify({
    key: secretOf(index),
    environment: ENVIRONMENT,
    permission: permissionOf(index),
    clientIp: clientIpOf(index),
  });
  if (!verdict.valid || verdict.rateLimits?.length !== 1) throw new Error(`a valid key was answered ${verdict.code}`);
}
// Usage waiting to be reported is no part of the replica.
const alive = setInterval(() => {}, 60_000);
await full.reported();
clearInterval(alive);
const bytes = (heldBytes() - before) / CREDENTIALS;
if (empty.verifier.size !== 0 || full.verifier.size !== CREDENTIALS)
  throw new Error('not the replicas that were meant');
publish(alone('replica-bytes', 'bytes per credential', bytes));
await full.verifier.stop();
await empty.verifier.stop();
