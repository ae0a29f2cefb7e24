import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createPlace } from '../testing/databases.ts';
import { eventually } from '../testing/eventually.ts';
import { startInstallation } from '../testing/installation.ts';
import {
  type Asked,
  type LyingWitness,
  newCosigner,
  noteBy,
  otherRoot,
  startLyingWitness,
} from '../testing/lying-witness.ts';
import { alarmsOf, change, knownLog, TestWitnesses } from '../testing/witnessed.ts';

const another = newCosigner();

/** What it answers, and the alarm that this raises; null where it is only left alone for a while. */
const LIES: Readonly<Record<string, readonly [(asked: Asked) => void, string | null]>> = {
  'cosigns another tree': [
    ({ reply, sign, checkpoint }) => reply(200, sign({ ...checkpoint, root: otherRoot })),
    'WITNESS_LIES',
  ],
  'cosigns another size': [
    ({ reply, sign, checkpoint }) => reply(200, sign({ ...checkpoint, size: checkpoint.size + 1 })),
    'WITNESS_LIES',
  ],
  'cosigns another log': [
    ({ reply, sign, checkpoint }) => reply(200, sign({ ...checkpoint, origin: 'another.test' })),
    'WITNESS_LIES',
  ],
  'signs with another key': [
    ({ reply, sign, checkpoint }) => reply(200, sign(checkpoint, 1_000, another)),
    'WITNESS_LIES',
  ],
  'leaves the time out': [({ reply, sign, checkpoint }) => reply(200, sign(checkpoint, 0)), 'WITNESS_LIES'],
  'gives a time to come': [({ reply, sign, checkpoint }) => reply(200, sign(checkpoint, 4e9)), 'WITNESS_LIES'],
  'gives a time that no date has': [
    ({ reply, sign, checkpoint }) => reply(200, sign(checkpoint, 9e12)),
    'WITNESS_LIES',
  ],
  'answers with nonsense': [({ reply }) => reply(200, 'yes\n'), 'WITNESS_LIES'],
  'answers with nothing': [({ reply }) => reply(200, ''), 'WITNESS_LIES'],
  'says that it saw more, and shows nothing': [({ reply }) => reply(409, '1000000\n'), 'WITNESS_LIES'],
  'names the size that it was told': [({ reply, request }) => reply(409, `${request.oldSize}\n`), 'WITNESS_LIES'],
  'names a size that is none': [({ reply }) => reply(409, 'many\n'), null],
  'does not watch this log': [({ reply }) => reply(404, ''), 'WITNESS_REFUSES'],
  'knows other keys of it': [({ reply }) => reply(403, ''), 'WITNESS_REFUSES'],
  'was not shown that it continues': [({ reply }) => reply(422, ''), 'WITNESS_REFUSES'],
  'is not well': [({ reply }) => reply(500, ''), null],
  'sends elsewhere': [({ reply }) => reply(307, '', { location: '/elsewhere' }), null],
  'never ends its answer': [
    ({ response }) => {
      response.writeHead(200);
      const more = () => {
        while (response.write('— '.repeat(10_000)));
      };
      response.on('drain', more);
      more();
    },
    null,
  ],
};

describe('a witness that lies or refuses counts as nothing', () => {
  for (const [name, [answer, alarm]] of Object.entries(LIES)) {
    it(`where it ${name}: ${alarm ?? 'no alarm, and it is told'}`, async () => {
      await using place = await createPlace('sqlite');
      await using liar = await startLyingWitness(answer);
      await using witnesses = new TestWitnesses(await knownLog(place));
      const witnessPolicyFile = witnesses.writePolicy('quorum liar', [liar.policyLine('liar')]);
      await using installation = await startInstallation(place, { witnessPolicyFile });
      const log = async () => (await installation.call('GET', '/v1/audit/log')).body;
      await change(installation, 'one', 'integrated');
      await eventually('it was found out', async () => (await log()).witnesses[0].lastError);
      if (alarm === null) assert.deepEqual(await alarmsOf(installation), []);
      else await eventually(alarm, async () => (await alarmsOf(installation)).includes(alarm));
      const { witnessedSize, quorumMet, witnesses: shown } = await log();
      assert.deepEqual([witnessedSize, quorumMet, shown[0].size ?? 0], [null, false, 0]);
      assert.deepEqual([...liar.paths], ['/add-checkpoint']);
      const { body } = await installation.call('GET', '/v1/audit/entries?action=alarm.raised');
      if (alarm !== null) assert.match(body.items[0].subject, /^witness_[0-9a-f]{8}$/);
    });
  }

  it('where it forgets what it cosigned, and is asked all the same', async () => {
    await using place = await createPlace('sqlite');
    let forgets = false;
    await using liar = await startLyingWitness(({ request, reply, sign, checkpoint }) => {
      if (forgets && request.oldSize > 0) reply(409, '0\n');
      else reply(200, sign(checkpoint));
    });
    await using witnesses = new TestWitnesses(await knownLog(place));
    const witnessPolicyFile = witnesses.writePolicy('quorum liar', [liar.policyLine('liar')]);
    await using installation = await startInstallation(place, { witnessPolicyFile });
    assert.equal((await change(installation, 'one', 'witnessed')).headers.get('keyhold-ack'), 'witnessed');
    assert.deepEqual(await alarmsOf(installation), []);
    forgets = true;
    assert.equal((await change(installation, 'two', 'witnessed')).headers.get('keyhold-ack'), 'witnessed');
    assert.deepEqual(await alarmsOf(installation), ['WITNESS_LIES']);
  });

  it('and keeps nobody from starting: what it shows has to be signed by the log', async () => {
    await using place = await createPlace('sqlite');
    const log = await knownLog(place);
    await using liar: LyingWitness = await startLyingWitness(({ reply }) => reply(409, '1000000\n'));
    liar.shown = noteBy([liar.cosigner], { origin: log.origin, size: 1_000_000, root: otherRoot });
    await using witnesses = new TestWitnesses(log);
    const witnessPolicyFile = witnesses.writePolicy('quorum liar', [liar.policyLine('liar')]);
    await using installation = await startInstallation(place, { witnessPolicyFile });
    await change(installation, 'one', 'integrated');
    await eventually('the alarm', async () => (await alarmsOf(installation)).includes('WITNESS_LIES'));
    assert.ok(!(await alarmsOf(installation)).includes('LOG_ROLLED_BACK'));
  });
});

describe('a witness that lags', () => {
  it('is asked one thing at a time, holds up nobody, and what it cosigns late counts', async () => {
    await using place = await createPlace('sqlite');
    const held: (() => void)[] = [];
    await using slow = await startLyingWitness(({ reply, sign, checkpoint }) => {
      held.push(() => reply(200, sign(checkpoint)));
    });
    const log = await knownLog(place);
    await using witnesses = new TestWitnesses(log);
    await witnesses.start('w1');
    const policy = [slow.policyLine('slow'), 'group one any w1 slow'];
    const witnessPolicyFile = witnesses.writePolicy('quorum one', policy);
    await using installation = await startInstallation(place, { witnessPolicyFile });
    for (const slug of ['one', 'two', 'three']) {
      assert.equal((await change(installation, slug, 'witnessed')).headers.get('keyhold-ack'), 'witnessed');
    }
    await eventually('it was asked', async () => slow.asked[0]);
    const { witnesses: shown } = (await installation.call('GET', '/v1/audit/log')).body;
    assert.equal(shown[1].size, null);
    held.shift()?.();
    await eventually('it cosigned', async () => {
      held.shift()?.();
      const { witnesses: now, size } = (await installation.call('GET', '/v1/audit/log')).body;
      return now[1].size === size && now[1].lag === 0;
    });
    assert.equal(slow.mostAtOnce(), 1);
    assert.deepEqual(await alarmsOf(installation), []);
  });
});
