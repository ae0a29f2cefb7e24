import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, it } from 'node:test';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { onEachDatabase } from '../testing/databases.ts';
import { send, startInstallation, type TestInstallation, testConfig } from '../testing/installation.ts';
import { createMarket } from '../testing/market.ts';
import { enrolOwner, enrolPerson } from '../testing/person.ts';
import { savePolicy } from '../testing/policies.ts';
import { openRaw } from '../testing/raw-database.ts';
import { assertStatus } from '../testing/shared-market.ts';
import { runRestore } from './restore-command.ts';

const folder = mkdtempSync(join(tmpdir(), 'keyhold-came-back-'));
after(() => rmSync(folder, { recursive: true }));
let count = 0;
const INVITED = 32;

const take = ({ controlUrl }: TestInstallation, token: string) =>
  send(new URL('/v1/deliveries/take', controlUrl), 'POST', {}, { token });

onEachDatabase('a state of before that an operator has served', (createPlace) => {
  it('opens no link, invitation, approval or distribution key of then again, and what is made after it stays', async () => {
    const [input, identityFile, headFile] = ['backup', 'identity', 'head'].map((name) =>
      join(folder, `${name}-${count}`),
    );
    count++;
    const identity = await generateX25519Identity();
    writeFileSync(identityFile as string, `${identity}\n`, { mode: 0o600 });
    await using place = await createPlace();
    await using target = await createPlace();
    let token: string;
    let link: string;
    let issuing: object;
    {
      await using installation = await startInstallation(place, { headFile });
      const { consumer } = await createMarket(installation);
      const call = async (status: number, path: string, body: object) =>
        assertStatus(await installation.call('POST', path, body, { token }), status);
      token = installation.bootstrapToken;
      const service = await call(201, '/v1/tokens', { name: 'admin', scopes: ['admin'] });
      token = service.secret;
      issuing = { project: 'market', environment: 'test', consumer, name: 'key', permissions: ['prices:read'] };
      await call(201, '/v1/keys', { ...issuing, credential: { kind: 'hmac' } });
      link = (await call(201, '/v1/keys', { ...issuing, deliverTo: { once: { ttlSeconds: 3_600 } } })).delivery.token;
      const stored = { project: 'market', environment: 'test', path: 'a', data: { value: 'x' } };
      const secret = (await call(201, '/v1/secrets', stored)).secret.id;
      const owner = await enrolOwner(installation);
      const person = await enrolPerson(installation, owner, { role: 'developer' });
      for (let i = 0; i < INVITED; i++) {
        const invited = { name: `late ${i}`, role: 'auditor', reason: 'test' };
        assertStatus(await owner.call('POST', '/v1/people', invited, { confirm: true }), 201);
      }
      const wanting =
        'forbid(principal, action == Action::"secrets.reveal", resource) unless { context.approvals >= 1 };';
      await savePolicy(owner, 'one', wanting);
      const named = `principal == Service::"${service.token.id}", action == Action::"backup.create"`;
      const permit = `permit(${named}, resource == Installation::"here");`;
      await savePolicy(owner, 'backups', permit);
      const headers = { 'keyhold-approval-reason': 'test' };
      const asked = await person.call('POST', `/v1/secrets/${secret}/reveal`, {}, { confirm: true, headers });
      assert.equal(typeof assertStatus(asked, 403).approval, 'string');
      const response = await fetch(new URL('/v1/backup', installation.controlUrl), {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify({ recipients: [await identityToRecipient(identity)] }),
      });
      const bytes = Buffer.from(await response.arrayBuffer());
      assert.equal(response.status, 200, bytes.subarray(0, 300).toString());
      writeFileSync(input as string, bytes);
      assertStatus(await take(installation, link), 200);
    }
    const restore = { input, identityFile, drill: false, inputFiles: [] };
    await runRestore(testConfig(target, { command: 'restore', restore }));
    await using raw = await openRaw(target);
    const openOnes = async () => {
      const [row] = await raw.rows(`select
        (select count(*) from deliveries where envelope is not null) as deliveries,
        (select count(*) from invitations where state = 'open') as invitations,
        (select count(*) from approval_requests where state = 'waiting') as approvals,
        (select max(version) from vault_keys where purpose = 'distribution') as version`);
      return [row.deliveries, row.invitations, row.approvals, row.version].map(Number);
    };
    assert.deepEqual(await openOnes(), [1, INVITED, 1, 1]);
    // An entry names a row twice that somebody wrote past the ledger.
    await raw.run(`update invitations set created_at = created_at + 1 where state = 'open'`);
    const settings = { keyFile: `${place.folder}.key`, headFile };
    let later: string;
    {
      await using restored = await startInstallation(target, { ...settings, acceptRollback: 'the disk was lost' });
      assert.deepEqual(await openOnes(), [0, 0, 0, 2]);
      assert.equal((await take(restored, link)).body.code, 'DELIVERY_GONE');
      const list = await restored.call('GET', '/v1/audit/entries?action=rollback.ended', undefined, { token });
      const codes = assertStatus(list, 200).items.map(({ leaf }: { leaf: string }) => JSON.parse(leaf).code);
      assert.deepEqual([...new Set(codes)].sort(), ['approval-requests', 'deliveries', 'invitations']);
      const body = { ...issuing, deliverTo: { once: { ttlSeconds: 3_600 } } };
      later = assertStatus(await restored.call('POST', '/v1/keys', body, { token }), 201).delivery.token;
    }
    await using again = await startInstallation(target, settings);
    assert.deepEqual(await openOnes(), [1, 0, 0, 2]);
    assertStatus(await take(again, later), 200);
  });
});
