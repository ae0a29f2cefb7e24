import assert from 'node:assert/strict';
import { afterEach, it } from 'node:test';
import type { Gain, Preview, Replayed } from '@keyhold/protocol/operations/policies';
import { onEachDatabase } from '../../testing/databases.ts';
import { removePolicy, savePolicy, sharePoliced } from '../../testing/policies.ts';
import { assertStatus } from '../../testing/shared-market.ts';

const LIVE = 'Environment::"market/live"';
const DAY_MS = 86_400_000;

onEachDatabase('a preview of a policy', (createPlace) => {
  const shared = sharePoliced(createPlace);
  const preview = async (change: object): Promise<Preview> =>
    assertStatus(await shared().owner.call('POST', '/v1/policies/preview', change), 200);
  const gainsOf = ({ gains }: Preview, id: string) =>
    gains
      .filter(({ principal }) => principal === id)
      .map(({ action, place, allowed }: Gain) => ({ action, place, allowed }));
  const replayedOf = ({ replayed }: Preview, id: string) =>
    replayed
      .filter(({ principal }) => principal === id)
      .map(({ action, place, count, allowed }: Replayed) => ({ action, place, count, allowed }));

  afterEach(async () => {
    const { owner } = shared();
    const { items } = assertStatus(await owner.call('GET', '/v1/policies'), 200);
    for (const { id } of items) await removePolicy(owner, id);
  });

  it('shows who loses and who gains what, and where', async () => {
    const { enrol, owner, token } = shared();
    const developer = await enrol({ role: 'developer', project: 'market' });
    const elsewhere = await enrol({ role: 'developer', project: 'other' });
    const service = await token(['keys'], { environment: 'market/live' });
    const text = `forbid(principal, action == Action::"keys.issue", resource in ${LIVE});`;
    const lost = await preview({ name: 'x', text });
    const live = { action: 'keys.issue', place: 'market/live', allowed: false };
    assert.deepEqual(gainsOf(lost, developer.id), [live]);
    assert.deepEqual(gainsOf(lost, service.id), [live]);
    assert.deepEqual(gainsOf(lost, owner.id), [live]);
    assert.deepEqual(gainsOf(lost, elsewhere.id), []);
    assert.ok(lost.gainsWhole);
    const id = await savePolicy(owner, 'x', text);
    assert.deepEqual(gainsOf(await preview({ remove: id }), developer.id), [{ ...live, allowed: true }]);
    const permit = `permit(principal == Person::"${elsewhere.id}", action in [Action::"secrets.reveal", Action::"keys.read"],
      resource in Folder::"market/live/kraken");`;
    assert.deepEqual(gainsOf(await preview({ name: 'y', text: permit }), elsewhere.id), [
      { action: 'secrets.reveal', place: 'market/live/kraken/*', allowed: true },
    ]);
  });

  it('shows what a service gains by being named, and loses without', async () => {
    const { owner, token } = shared();
    const { id } = await token(['admin']);
    const text = `permit(principal == Service::"${id}", action == Action::"secrets.reveal", resource in Folder::"market/live/kraken");`;
    const gained = { action: 'secrets.reveal', place: 'market/live/kraken/*', allowed: true };
    assert.deepEqual(gainsOf(await preview({ name: 'x', text }), id), [gained]);
    const saved = await savePolicy(owner, 'x', text);
    assert.deepEqual(gainsOf(await preview({ remove: saved }), id), [{ ...gained, allowed: false }]);
  });

  it('shows which decisions of the last month would come out otherwise, with what was held then', async () => {
    const { enrol, owner, consumer } = shared();
    const developer = await enrol({ role: 'developer', project: 'market' });
    const issue = async (environment: string) =>
      assertStatus(
        await developer.call('POST', '/v1/keys', {
          ...{ project: 'market', environment, consumer, name: 'key', permissions: ['prices:read'] },
        }),
        201,
      );
    for (const environment of ['live', 'live', 'live', 'test']) await issue(environment);
    const refused = await developer.call('GET', '/v1/keys?project=other&environment=live');
    assert.equal(refused.status, 404);
    // What he holds now is another matter.
    const [{ roles }] = [(await developer.call('GET', '/v1/session')).body];
    assertStatus(await owner.call('DELETE', `/v1/roles/${roles[0].id}`), 200);
    const text = `forbid(principal in Role::"developer", action == Action::"keys.issue", resource) when { context.production };`;
    const shown = await preview({ name: 'x', text });
    assert.deepEqual(replayedOf(shown, developer.id), [
      { action: 'keys.issue', place: 'market/live', count: 3, allowed: false },
    ]);
    assert.ok(shown.looked >= 2 && shown.lookedWhole);
    assert.ok(shown.replayed.every(({ rule }) => rule === 'new'));
    const permit = `permit(principal == Person::"${developer.id}", action == Action::"keys.read", resource in Project::"other");`;
    assert.deepEqual(replayedOf(await preview({ name: 'x', text: permit }), developer.id), [
      { action: 'keys.read', place: 'other/live', count: 1, allowed: true },
    ]);
  });

  it('decides again as of when and from where it was asked', async () => {
    const { enrol } = shared();
    const auditor = await enrol({ role: 'auditor' });
    assertStatus(await auditor.call('GET', '/v1/keys?project=market&environment=test'), 200);
    const forbid = (condition: string) =>
      preview({
        name: 'x',
        text: `forbid(principal == Person::"${auditor.id}", action == Action::"keys.read", resource) when { ${condition} };`,
      });
    const soon = new Date(Date.now() + DAY_MS).toISOString();
    assert.equal(replayedOf(await forbid(`context.at < datetime("${soon}")`), auditor.id).length, 1);
    assert.equal(replayedOf(await forbid(`context.at > datetime("${soon}")`), auditor.id).length, 0);
    assert.equal(replayedOf(await forbid('context.network.isLoopback()'), auditor.id).length, 1);
    assert.equal(replayedOf(await forbid('context.network.isInRange(ip("192.0.2.0/24"))'), auditor.id).length, 0);
  });

  it('counts what lists showed, at each place that they showed something of, and what was open nowhere', async () => {
    const { enrol } = shared();
    const auditor = await enrol({ role: 'auditor' });
    const forbidding = async (action: string, where = '') => {
      const text = `forbid(principal == Person::"${auditor.id}", action == Action::"${action}", resource${where});`;
      return replayedOf(await preview({ name: 'x', text }), auditor.id).map(({ place }) => place);
    };
    for (const list of ['/v1/keys', '/v1/projects', '/v1/projects/market/environments', '/v1/consumers', '/v1/tokens'])
      assertStatus(await auditor.call('GET', list), 200);
    assert.deepEqual((await forbidding('projects.read')).toSorted(), ['default', 'market', 'other']);
    assert.deepEqual((await forbidding('projects.read', ' in Project::"market"')).toSorted(), ['market']);
    const around = ['market', 'market/live', 'market/test'];
    assert.deepEqual((await forbidding('environments.read')).toSorted(), around);
    assert.deepEqual(await forbidding('consumers.read'), ['market']);
    assert.ok((await forbidding('tokens.read')).includes('installation'));
    const keys = assertStatus(await auditor.call('GET', '/v1/keys'), 200).items;
    const lie = new Set(
      keys.map((key: { project: string; environment: string }) => `${key.project}/${key.environment}`),
    );
    assert.deepEqual(new Set(await forbidding('keys.read')), lie);
    assert.equal((await auditor.call('POST', '/v1/projects', { slug: 'x', name: 'x' })).status, 403);
    assertStatus(await auditor.call('GET', '/v1/keys?project=market&environment=test'), 200);
    const { length: looked } = await forbidding('keys.read');
    assert.equal(looked, new Set(await forbidding('keys.read')).size, 'one environment is counted once');
    const issue = { project: 'market', environment: 'live', consumer: shared().consumer, name: 'k', permissions: [] };
    assert.equal((await auditor.call('POST', '/v1/keys', issue)).status, 403);
    const wider = `permit(principal == Person::"${auditor.id}", action == Action::"keys.issue", resource);`;
    assert.deepEqual(replayedOf(await preview({ name: 'x', text: wider }), auditor.id), []);
    const text = `permit(principal == Person::"${auditor.id}", action == Action::"projects.create", resource);`;
    assert.deepEqual(
      replayedOf(await preview({ name: 'x', text }), auditor.id).map(({ place, allowed }) => [place, allowed]),
      [['installation', true]],
    );
  });

  it('knows what only took away: that would wait for nobody', async () => {
    const { owner, consumer } = shared();
    const key = { project: 'market', environment: 'live', consumer, name: 'k', permissions: ['a:read', 'b:read'] };
    const { id } = assertStatus(await owner.call('POST', '/v1/keys', key, { confirm: true }), 201).key;
    const change = (permissions: readonly string[]) =>
      owner.call('PATCH', `/v1/keys/${id}`, { permissions }, { confirm: true });
    assertStatus(await change(['a:read']), 200);
    const wanting = {
      name: 'x',
      text: `forbid(principal, action == Action::"keys.change", resource in ${LIVE}) unless { context.approvals >= 1 };`,
    };
    assert.deepEqual(replayedOf(await preview(wanting), owner.id), []);
    assertStatus(await change(['a:read', 'c:read']), 200);
    assert.equal(replayedOf(await preview(wanting), owner.id).length, 1);
  });

  it('is kept a month, and goes with whoever is erased', async () => {
    const { enrol, owner } = shared();
    const auditor = await enrol({ role: 'auditor' });
    assertStatus(await auditor.call('GET', '/v1/keys?project=market&environment=test'), 200);
    const text = `forbid(principal == Person::"${auditor.id}", action == Action::"keys.read", resource);`;
    assert.equal(replayedOf(await preview({ name: 'x', text }), auditor.id).length, 1);
    assertStatus(await owner.call('POST', `/v1/audit/subjects/${auditor.id}/erase`, {}, { confirm: true }), 200);
    assert.equal(replayedOf(await preview({ name: 'x', text }), auditor.id).length, 0);
  });

  it('is for owners of the place alone', async () => {
    const { enrol } = shared();
    const own = await enrol({ role: 'owner', project: 'market' });
    const ask = (text: string) => own.call('POST', '/v1/policies/preview', { name: 'x', text });
    const within = await ask(`forbid(principal, action == Action::"keys.read", resource in ${LIVE});`);
    assertStatus(within, 200);
    assert.ok(within.body.gains.every(({ place }: Gain) => place.startsWith('market')));
    assert.ok(within.body.replayed.every(({ place }: Replayed) => place.startsWith('market')));
    assert.equal((await ask('forbid(principal, action == Action::"keys.read", resource);')).status, 403);
  });
});
