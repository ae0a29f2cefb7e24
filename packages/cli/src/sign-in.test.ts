import assert from 'node:assert/strict';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { createPlace, type TestPlace } from '@keyhold/server/testing/databases';
import { startInstallation, type TestInstallation } from '@keyhold/server/testing/installation';
import { enrolOwner, enrolPerson, TestPerson } from '@keyhold/server/testing/person';
import { runKeyhold, type RunOptions } from './testing/run-keyhold.ts';

describe('a person at a command line', () => {
  let place: TestPlace;
  let installation: TestInstallation;
  let owner: TestPerson;
  let env: Record<string, string>;
  let file: string;

  before(async () => {
    place = await createPlace('sqlite');
    installation = await startInstallation(place);
    owner = await enrolOwner(installation);
    env = { KEYHOLD_URL: installation.controlUrl, KEYHOLD_DATA: place.folder, XDG_CONFIG_HOME: place.folder };
    file = join(place.folder, 'keyhold', 'sessions.json');
  });
  after(async () => {
    await installation?.[Symbol.asyncDispose]();
    await place?.[Symbol.asyncDispose]();
  });

  const keyhold = (line: string, options: RunOptions = {}) => runKeyhold(line.split(' '), { env, ...options });
  const codeOf = async (person: TestPerson) =>
    (await person.call('POST', '/v1/device-codes', {}, { confirm: true })).body.secret as string;

  it('signs in with a code, works with what the person may, and signs out', async () => {
    const code = await codeOf(owner);
    const signedIn = await keyhold('sign-in', { input: `${code}\n` });
    assert.equal(signedIn.code, 0, signedIn.stderr);
    assert.match(signedIn.stderr, /http:\/\/localhost:\d+\/account/);
    assert.match(signedIn.stdout, /^signed in as Ada Owner until /);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.ok(!`${signedIn.stdout}${signedIn.stderr}`.includes('keyhold_session'));
    const who = await keyhold('whoami');
    assert.match(who.stdout, /^name +Ada Owner\nrole +owner, installation\nuntil /m);
    const expiresAt = new Date(Date.now() + 3_600_000).toISOString().replace(/\.\d+Z$/, 'Z');
    await enrolPerson(installation, owner, { role: 'support', expiresAt }, 'Sam Support');
    const listed = new RegExp(`Sam Support +active +1 +support@installation until ${expiresAt} `);
    assert.match((await keyhold('people list')).stdout, listed);
    assert.equal((await keyhold('projects create --slug cli --name Cli')).code, 0);
    const used = await keyhold('sign-in', { input: code });
    assert.deepEqual([used.code, /DEVICE_CODE_GONE/.test(used.stderr)], [1, true]);
    const kept = readFileSync(file, 'utf8');
    assert.equal((await keyhold('sign-out')).stdout, 'signed out\n');
    assert.equal((await keyhold('sign-out')).stdout, 'nobody was signed in here\n');
    // What somebody copied before is worth nothing now.
    writeFileSync(file, kept);
    assert.equal((await keyhold('whoami')).code, 4);
  });

  const pending = async () => {
    for (;;) {
      const [first] = (await owner.call('GET', '/v1/confirmations')).body.items;
      if (first !== undefined) return first;
    }
  };
  const confirm = async () => {
    const asked = await pending();
    const passkey = await owner.passkeyOver(asked);
    assert.equal((await owner.call('POST', `/v1/confirmations/${asked.id}`, { passkey })).status, 200);
  };

  it('is asked, in his browser, for what is critical: confirmed it is done, once, and discarded it is not', async () => {
    assert.equal((await keyhold('sign-in', { input: await codeOf(owner) })).code, 0);
    const invite = (name: string) => keyhold(`people invite --name ${name} --role auditor --reason audit`);
    const confirmed = invite('Con');
    const asked = await pending();
    assert.deepEqual([asked.method, asked.target, JSON.parse(asked.body).name], ['POST', '/v1/people', 'Con']);
    const other = await enrolPerson(installation, owner, { role: 'owner' });
    assert.deepEqual((await other.call('GET', '/v1/confirmations')).body.items, []);
    const path = `/v1/confirmations/${asked.id}`;
    const wrong = await owner.passkeyOver({ ...asked, target: '/v1/tokens' });
    assert.equal((await owner.call('POST', path, { passkey: wrong })).body.code, 'CONFIRMATION_REQUIRED');
    const others = await other.passkeyOver(asked);
    assert.equal((await other.call('POST', path, { passkey: others })).body.code, 'NOTHING_PENDING');
    assert.equal((await owner.call('POST', path, { passkey: others })).body.code, 'CONFIRMATION_REQUIRED');
    const passkey = await owner.passkeyOver(asked);
    assert.equal((await owner.call('POST', path, { passkey })).status, 200);
    const done = await confirmed;
    assert.equal(done.code, 0, done.stderr);
    assert.match(done.stderr, /Confirm this in your browser, at http:\/\/localhost:\d+\/account/);
    assert.match(done.stdout, /^open +http:\/\/localhost:\d+\/enrol#keyhold_invite_/m);
    const output = join(place.folder, 'backup.age');
    const recipient = await identityToRecipient(await generateX25519Identity());
    const backup = keyhold(`backup create --recipient ${recipient} --output ${output}`);
    const wanted = await pending();
    assert.equal(wanted.target, '/v1/backup');
    const word = await owner.passkeyOver(wanted);
    assert.equal((await owner.call('POST', `/v1/confirmations/${wanted.id}`, { passkey: word })).status, 200);
    const written = await backup;
    assert.equal(written.code, 0, written.stderr);
    assert.ok(statSync(output).size > 1_000);
    const seal = await keyhold('seal change --kind passphrase', { input: 'made for this test' });
    assert.deepEqual([seal.code, /with a token/.test(seal.stderr)], [4, true]);
    const discarded = invite('Dis');
    await owner.call('DELETE', `/v1/confirmations/${(await pending()).id}`);
    const refused = await discarded;
    assert.deepEqual([refused.code, /discarded/.test(refused.stderr)], [4, true]);
    assert.deepEqual((await owner.call('GET', '/v1/confirmations')).body.items, []);
    assert.doesNotMatch((await keyhold('people list')).stdout, /Dis /);
  });

  it('shows the id that ends a role, and names what somebody leaves', async () => {
    const leaver = await enrolPerson(installation, owner, { role: 'administrator' }, 'Lea Leaver');
    const trusted = { name: 'ci', issuer: 'https://ci.example', audience: 'k', claims: { sub: 'x' }, scopes: ['read'] };
    const { workload } = (await leaver.call('POST', '/v1/workloads', trusted, { confirm: true })).body;
    const shown = await keyhold(`people get ${leaver.id}`);
    const role = /^(role_\S+) +administrator +installation +test +-$/m.exec(shown.stdout)?.[1];
    assert.match((await keyhold(`roles end ${role}`)).stdout, /^roles +-$/m);
    const { stdout } = await keyhold(`people remove ${leaver.id}`);
    assert.match(stdout, new RegExp(`^trusted +${workload.id}, which still is$`, 'm'));
    assert.match(stdout, new RegExp(`keyhold offboardings create --of ${leaver.id}$`, 'm'));
  });

  it('saves a policy as he was shown it, and removes it again', async () => {
    assert.match((await keyhold('policies schema')).stdout, /^action "keys\.issue" in \["keys"\] appliesTo \{$/m);
    const policy = 'forbid(principal in Role::"owner", action == Action::"projects.create", resource);';
    const shown = await keyhold('policies preview no-projects', { input: policy });
    assert.match(shown.stdout, /^Gains and losses: \d+$/m);
    assert.match(shown.stdout, new RegExp(`^loses +${owner.id} +Ada Owner +projects\\.create +installation$`, 'm'));
    assert.match(shown.stdout, new RegExp(`^denied +${owner.id} +projects\\.create +installation +1 `, 'm'));
    const saving = keyhold('policies save no-projects --reason drill', { input: policy });
    await confirm();
    const saved = await saving;
    assert.equal(saved.code, 0, saved.stderr);
    assert.match(saved.stderr, /Gains and losses/);
    const id = /^id +(pol_\S+)$/m.exec(saved.stdout)?.[1];
    const refused = await keyhold('projects create --slug more --name More');
    assert.deepEqual([refused.code, refused.stderr.includes(`The policy ${id} forbids it`)], [4, true]);
    assert.match((await keyhold('policies list')).stdout, /no-projects +forbid +installation +drill/);
    const removing = keyhold(`policies remove ${id}`);
    await confirm();
    assert.equal((await removing).stdout, `removed  ${id}\n`);
    assert.equal((await keyhold('projects create --slug more --name More')).code, 0);
    const wrong = await keyhold('policies preview x', { input: 'allow all' });
    assert.deepEqual([wrong.code, /unexpected token/.test(wrong.stderr)], [1, true]);
  });

  it('asks others for what a policy wants approved, and does it once they have', async () => {
    const settled = new TestPerson(installation);
    const body = { name: 'Old', role: 'owner', reason: 'test' };
    const invited = await owner.call('POST', '/v1/people', body, { confirm: true });
    assert.equal((await settled.enrol(invited.body.secret)).status, 201);
    const policy = 'forbid(principal, action == Action::"tokens.create", resource) unless { context.approvals >= 1 };';
    const saving = keyhold('policies save tokens --reason drill', { input: policy });
    await confirm();
    assert.equal((await saving).code, 0);
    const create = 'tokens create --name drill --scope read';
    const bare = await keyhold(create);
    assert.match(bare.stderr, /wants the approval of another\. Say why, .* --approval-reason at a command line/);
    assert.equal(bare.code, 4);
    const asked = await keyhold(`${create} --approval-reason drill`);
    const id = /--approval (appr_\S+)/.exec(asked.stderr)?.[1];
    assert.match(
      (await keyhold('approvals list')).stdout,
      new RegExp(`^${id} +you +tokens\\.create +installation +drill +0 of 1`, 'm'),
    );
    const own = keyhold(`approvals approve ${id} --reason self`);
    await confirm();
    const refused = await own;
    assert.deepEqual([refused.code, /his own/.test(refused.stderr)], [4, true]);
    // He was made by the one who asks, today.
    const { items } = (await settled.call('GET', '/v1/approvals')).body;
    const word = { digest: items[0].digest, reason: 'seen' };
    const barred = await settled.call('POST', `/v1/approvals/${id}/approve`, word, { confirm: true });
    assert.equal(barred.status, 403);
    const denied = await keyhold(`approvals deny ${id} --reason enough`);
    assert.match(denied.stdout, /state +withdrawn/);
    const late = await keyhold(`${create} --approval ${id}`);
    assert.deepEqual([late.code, /APPROVALS_REQUIRED/.test(late.stderr)], [4, true]);
  });

  it('reads no damaged file of sessions, and says so', async () => {
    writeFileSync(file, '{', { mode: 0o600 });
    const who = await keyhold('whoami');
    assert.deepEqual(
      [who.code, who.stderr],
      [2, 'keyhold: the file of sessions is damaged: remove it, and sign in again\n'],
    );
  });
});
