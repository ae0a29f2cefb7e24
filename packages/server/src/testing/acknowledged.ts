import assert from 'node:assert/strict';
import type { Entry } from '@keyhold/protocol/operations/audit';
import type { LoadKey, LoadModel } from './load-model.ts';
import type { ProcessInstallation } from './process-installation.ts';
import { checkWholeChain } from './whole-chain.ts';

/** The words of the server for what a client calls revoked: reason `superseded`. */
const STATE_OF = { active: 'active', suspended: 'suspended', revoked: 'deactivated' } as const;

/**
 * Everything that was acknowledged is there: each key in its state, each change in the log, the log as it was before
 * with more at its end.
 * @returns the log, to compare with the next time
 */
export async function checkAcknowledged(
  installation: ProcessInstallation,
  model: LoadModel,
  before: readonly Entry[] = [],
): Promise<Entry[]> {
  assert.deepEqual(model.violations, []);
  const entries = await checkWholeChain(installation);
  for (const [i, { hash }] of before.entries()) assert.equal(entries[i]?.hash, hash, `entry ${i + 1} is another now`);
  const found = new Map<string, number>();
  for (const { action, subject } of entries) {
    const name = `${action} ${subject}`;
    found.set(name, (found.get(name) ?? 0) + 1);
  }
  for (const [name, count] of model.acknowledged) {
    assert.ok((found.get(name) ?? 0) >= count, `acknowledged and not in the log: ${name}`);
  }
  for (const key of model.keys.values()) await checkKey(installation, key);
  return entries;
}

async function checkKey(installation: ProcessInstallation, key: LoadKey): Promise<void> {
  const { status, body } = await installation.call('GET', `/v1/keys/${key.id}`);
  assert.equal(status, 200, `acknowledged and gone: ${key.id}`);
  const possible = [key.state, ...key.unanswered];
  assert.ok(
    possible.some((state) => STATE_OF[state] === body.state),
    `${key.id} is ${body.state}; acknowledged was ${possible.join(' or ')}`,
  );
  assert.ok(body.credentials.length >= key.secrets.length, `${key.id} lost a credential`);
}

/** Every secret is decided as its client was promised: all that were taken away are refused, all others accepted. */
export async function checkVerdicts(installation: ProcessInstallation, model: LoadModel): Promise<void> {
  for (const key of model.keys.values()) {
    for (const { secret } of key.secrets) {
      const { code } = await installation.verify({
        key: secret,
        environment: 'market/test',
        permission: 'prices:read',
      });
      if (model.isTakenAway(secret)) assert.notEqual(code, 'VALID', `${key.id} was taken away`);
      else if (key.unanswered.length === 0) assert.equal(code, 'VALID', `${key.id} was given`);
    }
  }
}
