import assert from 'node:assert/strict';
import { it } from 'node:test';
import { onEachDatabase } from '../../testing/databases.ts';
import { eventually } from '../../testing/eventually.ts';
import { startInstallation } from '../../testing/installation.ts';
import { moveClock } from '../../testing/moved-clock.ts';
import { enrolOwner, enrolPerson, type PersonAnswer, type TestPerson } from '../../testing/person.ts';
import { savePolicy, settle, sharePoliced } from '../../testing/policies.ts';
import { assertStatus } from '../../testing/shared-market.ts';

const MINUTE_MS = 60_000;
const outcome = ({ status, body }: PersonAnswer) => (status < 300 ? 'done' : `${status} ${body.code}`);

onEachDatabase('break-glass', (createPlace) => {
  const shared = sharePoliced(createPlace);
  const reveal = (by: TestPerson, secret: string) =>
    by.call('POST', `/v1/secrets/${shared().secrets.get(secret)}/reveal`, {}, { confirm: true });
  /** Somebody who was there long enough. */
  const settled = async (role: object): Promise<TestPerson> => {
    const person = await shared().enrol(role);
    await settle(shared().place, person.id);
    return person;
  };
  const open = (by: TestPerson, minutes = 5) =>
    by.call('POST', '/v1/break-glass', { reason: 'the exchange is down', minutes }, { confirm: true });

  it('lets somebody go on without approvals, loudly, for its minutes, and somebody else look at it', async () => {
    const { owner, enrol } = shared();
    const administrator = await settled({ role: 'administrator' });
    const other = await enrol({ role: 'administrator' });
    const wanting = 'forbid(principal, action == Action::"secrets.reveal", resource in Environment::"market/live")';
    const id = await savePolicy(owner, 'wants', `${wanting} unless { context.approvals >= 2 };`);
    const never = `forbid(principal, action == Action::"secrets.reveal", resource == Secret::"market/live/kraken/main");`;
    await savePolicy(owner, 'never', never);
    assert.equal(outcome(await reveal(administrator, 'plain')), '403 APPROVALS_REQUIRED');
    const unconfirmed = await administrator.call('POST', '/v1/break-glass', { reason: 'x', minutes: 5 });
    assert.equal(outcome(unconfirmed), '403 CONFIRMATION_REQUIRED');
    const { breakGlass } = assertStatus(await open(administrator), 201);
    assert.equal(outcome(await open(administrator)), '409 ILLEGAL_TRANSITION');
    assert.equal(outcome(await reveal(administrator, 'plain')), 'done');
    // Not past what forbids, nor without his passkey, nor for anybody else, nor to change what wants approvals.
    assert.equal(outcome(await reveal(administrator, 'kraken/main')), '403 FORBIDDEN');
    const bare = await administrator.call('POST', `/v1/secrets/${shared().secrets.get('plain')}/reveal`, {});
    assert.equal(outcome(bare), '403 CONFIRMATION_REQUIRED');
    assert.equal(outcome(await reveal(other, 'plain')), '403 APPROVALS_REQUIRED');
    await enrol({ role: 'owner' });
    const own = assertStatus(await open(owner), 201).breakGlass;
    const { basis } = assertStatus(await owner.call('POST', '/v1/policies/preview', { remove: id }), 200);
    const removed = await owner.call('DELETE', `/v1/policies/${id}`, { basis }, { confirm: true });
    assert.equal(outcome(removed), '403 APPROVALS_REQUIRED');
    const isAlarmed = async () => {
      const { alarms } = assertStatus(await owner.call('GET', '/v1/installation'), 200);
      const isOfThis = (one: { code: string; subject: string }) =>
        one.code === 'BREAK_GLASS' && one.subject === breakGlass.id;
      return alarms.some(isOfThis);
    };
    assert.equal(await isAlarmed(), true);
    const entries = `/v1/audit/entries?actor=${administrator.id}&action=secret.revealed`;
    const { items } = assertStatus(await owner.call('GET', entries), 200);
    assert.equal(items[0].side.breakGlass, breakGlass.id);
    const review = (by: TestPerson) =>
      by.call('POST', `/v1/break-glass/${breakGlass.id}/review`, { review: 'it had to be' });
    assert.equal(outcome(await review(owner)), '409 ILLEGAL_TRANSITION');
    {
      using _ = moveClock(6 * MINUTE_MS);
      assert.equal(outcome(await reveal(administrator, 'plain')), '403 APPROVALS_REQUIRED');
      assert.equal(outcome(await review(administrator)), '403 FORBIDDEN');
      assert.equal(await isAlarmed(), true);
      assert.equal(outcome(await review(owner)), 'done');
      assert.equal(await isAlarmed(), false, 'what was looked at');
      assert.equal(outcome(await review(owner)), '409 ILLEGAL_TRANSITION');
    }
    assert.equal(
      outcome(await owner.call('POST', `/v1/break-glass/${own.id}/review`, { review: 'mine' })),
      '403 FORBIDDEN',
    );
  });

  it('is looked at by nobody who could be the one who opened it, such as an account that he made', async () => {
    const { owner, installation } = shared();
    const breaker = await settled({ role: 'owner' });
    const { id } = assertStatus(await open(breaker), 201).breakGlass;
    assertStatus(await breaker.call('POST', `/v1/break-glass/${id}/close`, {}), 200);
    const path = `/v1/break-glass/${id}/review`;
    const said = { review: 'it had to be' };
    const second = await enrolPerson(installation, breaker, { role: 'security-officer' });
    assert.equal(outcome(await second.call('POST', path, said)), '403 FORBIDDEN');
    assert.equal(outcome(await open(breaker)), '409 ILLEGAL_TRANSITION');
    assert.equal(outcome(await owner.call('POST', path, said)), 'done');
    assert.equal(outcome(await open(breaker)), 'done');
  });

  it('is opened once until somebody else has looked at it', async () => {
    const { owner } = shared();
    const administrator = await settled({ role: 'administrator' });
    const { breakGlass } = assertStatus(await open(administrator), 201);
    const close = () => administrator.call('POST', `/v1/break-glass/${breakGlass.id}/close`, {});
    assert.equal(outcome(await close()), 'done');
    const again = await open(administrator);
    assert.equal(outcome(again), '409 ILLEGAL_TRANSITION');
    assert.match(again.body.detail, /Somebody reviews your last one first/);
    const said = { review: 'it had to be' };
    assert.equal(outcome(await owner.call('POST', `/v1/break-glass/${breakGlass.id}/review`, said)), 'done');
    assert.equal(outcome(await open(administrator)), 'done');
  });

  it('raises another alarm where nobody looked at it for three days', async () => {
    await using place = await createPlace();
    const alarmsOf = async (owner: TestPerson) => {
      const { alarms } = assertStatus(await owner.call('GET', '/v1/installation'), 200);
      return alarms.filter(({ code }: { code: string }) => code === 'BREAK_GLASS_UNREVIEWED');
    };
    let owner: TestPerson;
    let id: string;
    {
      await using installation = await startInstallation(place);
      owner = await enrolOwner(installation);
      id = assertStatus(await open(owner), 201).breakGlass.id;
      assert.deepEqual(await alarmsOf(owner), []);
    }
    using _ = moveClock(73 * 60 * MINUTE_MS);
    await using installation = await startInstallation(place);
    owner.movedTo(installation);
    await owner.signIn();
    await eventually('the alarm', async () =>
      (await alarmsOf(owner)).some((one: { subject: string }) => one.subject === id),
    );
  });

  it('is ended at once by whoever is frightened, and kept from somebody by a policy', async () => {
    const { owner, enrol } = shared();
    const [administrator, officer] = [
      await enrol({ role: 'administrator' }),
      await enrol({ role: 'security-officer' }),
    ];
    const { breakGlass } = assertStatus(await open(administrator), 201);
    assert.equal(outcome(await officer.call('POST', `/v1/break-glass/${breakGlass.id}/close`, {})), 'done');
    assert.equal(outcome(await reveal(administrator, 'plain')), '403 APPROVALS_REQUIRED');
    const { items } = assertStatus(await owner.call('GET', '/v1/break-glass'), 200);
    assert.deepEqual([items[0].id, items[0].state], [breakGlass.id, 'closed']);
    assert.equal(outcome(await open(await enrol({ role: 'developer' }))), '403 FORBIDDEN');
    const text = `forbid(principal == Person::"${administrator.id}", action == Action::"break-glass.open", resource);`;
    await savePolicy(owner, 'not-him', text);
    assert.equal(outcome(await open(administrator)), '403 FORBIDDEN');
    assert.equal(outcome(await open(officer)), 'done');
  });
});
