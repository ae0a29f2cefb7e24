import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, it } from 'node:test';
import { damaged, withWrappedKeyOf } from '../testing/damaged-envelope.ts';
import { onEachDatabase } from '../testing/databases.ts';
import { eventually } from '../testing/eventually.ts';
import { send, type TestAnswer } from '../testing/installation.ts';
import { openRaw, type RawDatabase } from '../testing/raw-database.ts';
import { changeSeal, closeSeal } from '../testing/seals.ts';
import { shareMarket } from '../testing/shared-market.ts';
import { type RawRow, WrittenPast } from '../testing/written-past.ts';
import { SEALED_FIELDS, type SealedField } from '@keyhold/protocol/sealed-field';

/** One encrypted field: where it lies, what is the same elsewhere, and how somebody comes to read it. */
interface Target {
  readonly table: string;
  readonly column: string;
  readonly id: string;
  /** Subject of the alarm where its digest fits. */
  readonly subject: string;
  /** What lies encrypted in other rows, versions and environments, and lay here before. */
  readonly others: Readonly<Record<string, string>>;
  read(): Promise<TestAnswer>;
  /** Its reader is told that it is broken, and the alarm alone says how. */
  readonly codeless?: true;
}

/**
 * All but what lies elsewhere: sides of entries have no row with a digest (`audit/personal-parts.test.ts`), and a seal's
 * key in a token needs one to be opened (`pkcs11-tampered.test.ts`); and what takes a verifier
 * (`distribution-keys.test.ts`) or an owner (`sign-on.test.ts`, `passwords.test.ts`): those go through the same cases.
 */
type TestedField = Exclude<
  SealedField,
  'entry.side' | 'seal-key' | 'credential.secret' | 'sign-on.secret' | 'person.totp'
>;
const ELSEWHERE: readonly SealedField[] = [
  'entry.side',
  'seal-key',
  'credential.secret',
  'sign-on.secret',
  'person.totp',
];
const TESTED = (Object.keys(SEALED_FIELDS) as SealedField[]).filter(
  (field): field is TestedField => !ELSEWHERE.includes(field),
);

onEachDatabase('an encrypted field written past the ledger', (createPlace) => {
  const shared = shareMarket(createPlace);
  let raw: RawDatabase;
  let past: WrittenPast;
  const values = Object.fromEntries(['one', 'two', 'three', 'four'].map((name) => [name, randomUUID()]));
  let targets: Readonly<Record<TestedField, Target>>;

  const call = (method: string, path: string, body?: object) => shared().installation.call(method, path, body);
  const store = async (environment: string, path: string, value: string | undefined): Promise<string> => {
    const body = { project: 'market', environment, path, data: { value } };
    return (await shared().expect(201, 'POST', '/v1/secrets', body)).secret.id;
  };
  const reveal = (id: string) => call('POST', `/v1/secrets/${id}/reveal`, {});
  /** Forgets every key first: what is open already is not read again. */
  const reopen = async (): Promise<TestAnswer> => {
    if ((await call('GET', '/v1/seal')).body.sealed !== true) await call('POST', '/v1/seal');
    return await call('POST', '/v1/unseal', {});
  };

  /** Taking it empties its row; the test puts the row back each time. */
  const deliveryTarget = async (secretId: string, foreign: string): Promise<Target> => {
    const deliver = async () => {
      const to = { deliverTo: { once: { ttlSeconds: 3600 } } };
      return (await shared().expect(201, 'POST', `/v1/secrets/${secretId}/deliver`, to)).delivery;
    };
    const [own, beside] = [await deliver(), await deliver()];
    const [neighbour] = await raw.rows(`select envelope from deliveries where id = '${beside.id}'`);
    return {
      ...{ table: 'deliveries', column: 'envelope', id: own.id, subject: own.id },
      others: { 'another delivery': neighbour.envelope, 'a secret': foreign },
      read: async () => {
        const url = new URL('/v1/deliveries/take', shared().installation.controlUrl);
        const { body, ...answer } = await send(url, 'POST', {}, { token: own.token });
        return { ...answer, body: { ...body, data: body.content } };
      },
    };
  };

  const transitTarget = async (foreign: string): Promise<Target> => {
    const { vaultUrl, bootstrapToken } = shared().installation;
    const headers = { 'x-vault-namespace': 'market/test' };
    const transit = (path: string, body: object) =>
      send(new URL(`/v1/transit/${path}`, vaultUrl), 'POST', body, { token: bootstrapToken, headers });
    const plaintext = Buffer.from(JSON.stringify({ value: values['two'] })).toString('base64');
    const { ciphertext } = (await transit('encrypt/own', { plaintext })).body.data;
    await transit('encrypt/beside', { plaintext });
    await transit('keys/own/rotate', {});
    const rows = await raw.rows('select id, transit_key_id, envelope from transit_key_versions order by id');
    const [own, neighbour, newer] = rows;
    assert.equal(newer.transit_key_id, own.transit_key_id);
    return {
      ...{ table: 'transit_key_versions', column: 'envelope', id: own.id, subject: own.transit_key_id },
      others: { 'another key': neighbour.envelope, 'a newer version': newer.envelope, 'a secret': foreign },
      read: async () => {
        await reopen();
        const answer = await transit('decrypt/own', { ciphertext });
        const [message = ''] = answer.body.errors ?? [];
        const code = /tampered/.test(message) ? 'ROW_TAMPERED' : 'ENVELOPE_BROKEN';
        const text = Buffer.from(answer.body.data?.plaintext ?? 'bnVsbA==', 'base64').toString();
        return { ...answer, body: answer.status === 200 ? { data: JSON.parse(text) } : { code } };
      },
    };
  };

  /** Nothing of it is read but by signing, so a receipt is asked for that needs a new checkpoint. */
  const logKeyTarget = async (foreign: string): Promise<Target> => {
    await receipt();
    const rows = await raw.rows('select id, envelope from log_keys order by id');
    const [own, neighbour] = rows;
    return {
      ...{ table: 'log_keys', column: 'envelope', id: own.id, subject: own.id },
      others: { "the log's other key": neighbour.envelope, 'a secret': foreign },
      read: async () => {
        await reopen();
        const answer = await receipt();
        return answer.status === 200 ? { ...answer, body: { data: { value: values['two'] } } } : answer;
      },
    };
  };
  const found = (status: number): TestAnswer['body'] => (status === 200 ? { data: { value: values['two'] } } : {});
  const personalKeyTarget = async (foreign: string): Promise<Target> => {
    const token = await shared().expect(201, 'POST', '/v1/tokens', { name: 'other', scopes: ['admin'] });
    await shared().installation.call('POST', '/v1/projects', { slug: 'more', name: 'more' }, { token: token.secret });
    const rows = await raw.rows('select id, subject, envelope from personal_keys order by id');
    const [own, neighbour] = rows;
    return {
      ...{ table: 'personal_keys', column: 'envelope', id: own.id, subject: own.id },
      others: { 'the key of another': neighbour.envelope, 'a secret': foreign },
      read: async () => {
        await reopen();
        const answer = await call('GET', `/v1/audit/entries?personal=127.0.0.1&about=${own.subject}`);
        return answer.status === 200 ? { ...answer, body: found(answer.body.items.length > 0 ? 200 : 409) } : answer;
      },
    };
  };
  /** What was tried while sealed lies under it, until it is moved. */
  const periodKeyTarget = async (foreign: string): Promise<Target> => {
    const rows = await raw.rows('select id, envelope from period_keys order by period');
    const [own, neighbour] = rows;
    return {
      ...{ table: 'period_keys', column: 'envelope', id: own.id, subject: own.id },
      others: { "the next month's": neighbour.envelope, 'a secret': foreign },
      codeless: true,
      read: async () => {
        await call('POST', '/v1/seal');
        const slug = `sealed-${randomUUID()}`;
        await shared().expect(201, 'POST', '/v1/projects', { slug, name: slug });
        await call('POST', '/v1/unseal', {});
        const answer = await call('GET', '/v1/audit/entries?action=project.created&limit=1');
        // Where its row is known to be edited nothing is encrypted to it: rather lost than to somebody else.
        const status = answer.body.items[0]?.sideState === 'shown' ? 200 : 409;
        return { ...answer, status, body: found(status) };
      },
    };
  };
  /** Confirming opens it, and says of a wrong code that it is wrong only where it does. */
  const factorTarget = async (foreign: string): Promise<Target> => {
    const enrol = async () => {
      const path = `/v1/consumers/${shared().market.consumer}/factors/totp`;
      return (await shared().expect(201, 'POST', path, { environment: 'test', name: 'phone' })).factor.id;
    };
    const [own, beside] = [await enrol(), await enrol()];
    const [neighbour] = await raw.rows(`select envelope from consumer_factors where id = '${beside}'`);
    return {
      ...{ table: 'consumer_factors', column: 'envelope', id: own, subject: own },
      others: { 'another factor': neighbour.envelope, 'a secret': foreign },
      read: async () => {
        const answer = await call('POST', `/v1/factors/${own}/confirm`, { otp: '000000' });
        return answer.body.code === 'CODE_WRONG' ? { ...answer, status: 200, body: found(200) } : answer;
      },
    };
  };
  const receipt = async (): Promise<TestAnswer> => {
    const { sequence } = (await call('GET', '/v1/installation')).body;
    return await call('GET', `/v1/audit/entries/${sequence}/receipt`);
  };

  before(async () => {
    raw = await openRaw(shared().place);
    past = new WrittenPast(raw);
    await shared().expect(201, 'POST', '/v1/projects/market/environments', { name: 'other', prefix: 'mkt_other' });
    const id = await store('test', 'a', values['one']);
    await store('test', 'a', values['two']);
    const beside = await store('test', 'b', values['three']);
    const beyond = await store('other', 'a', values['four']);
    const [sealBefore] = await raw.rows('select root_key from seals');
    await changeSeal(shared().installation, 'file');
    const version = (of: string, number: number) =>
      raw.rows(`select id, envelope from secret_versions where secret_id = '${of}' and version = ${number}`);
    const [[own], [older], [neighbour], [foreign]] = [
      await version(id, 2),
      await version(id, 1),
      await version(beside, 1),
      await version(beyond, 1),
    ];
    const keys = await raw.rows('select id, environment_id, wrapped from vault_keys');
    const key = keys.find((row) => row.environment_id === shared().market.environmentId);
    const otherKey = keys.find((row) => row.id !== key.id);
    const [seal] = await raw.rows('select id, root_key from seals');
    targets = {
      'secret.value': {
        ...{ table: 'secret_versions', column: 'envelope', id: own.id, subject: id },
        others: {
          ...{ 'an older version': older.envelope, 'another secret': neighbour.envelope },
          ...{ 'another environment': foreign.envelope, 'a wrapped key': key.wrapped },
          'the wrapped key of another': withWrappedKeyOf(own.envelope, neighbour.envelope),
        },
        read: () => reveal(id),
      },
      'environment-key': {
        ...{ table: 'vault_keys', column: 'wrapped', id: key.id, subject: key.id },
        others: { 'another environment': otherKey.wrapped, 'the root key': seal.root_key, 'a secret': own.envelope },
        read: async () => {
          await reopen();
          const body = { project: 'market', environment: 'test', path: 'new', data: {}, cas: 7 };
          const stored = await call('POST', '/v1/secrets', body);
          const revealed = await reveal(id);
          if (revealed.status !== 200) assert.equal(stored.body.code, revealed.body.code, 'nor does it encrypt');
          return revealed;
        },
      },
      'delivery.content': await deliveryTarget(id, own.envelope),
      'transit.key': await transitTarget(own.envelope),
      'log.key': await logKeyTarget(own.envelope),
      'personal.key': await personalKeyTarget(own.envelope),
      'factor.secret': await factorTarget(own.envelope),
      'period.key': await periodKeyTarget(own.envelope),
      'root-key': {
        ...{ table: 'seals', column: 'root_key', id: seal.id, subject: 'root-key' },
        others: { 'before the seal was changed': sealBefore.root_key, 'a key of an environment': key.wrapped },
        read: async () => {
          const opened = await reopen();
          return opened.status === 200 ? await reveal(id) : opened;
        },
      },
    };
  });
  after(() => raw[Symbol.asyncDispose]());

  const alarmed = async (code: string, subject: string): Promise<boolean> => {
    const { alarms } = await shared().expect(200, 'GET', '/v1/installation');
    return alarms.some((alarm: { code: string; subject: string }) => alarm.code === code && alarm.subject === subject);
  };
  /** Refused with that code and an alarm, and no value anywhere in the answer. */
  const assertRefused = async (target: Target, code: string, subject: string, what: string): Promise<void> => {
    const { status, body } = await target.read();
    const told = target.codeless === true ? code : body.code;
    assert.deepEqual([status, told], [409, code], `${what}: ${JSON.stringify(body)}`);
    for (const value of Object.values(values)) assert.ok(!JSON.stringify(body).includes(value), what);
    assert.equal(await alarmed(code, subject), true, `${what}: no alarm`);
  };

  it('is tested for every field that there is', () => {
    assert.deepEqual(Object.keys(targets).sort(), TESTED.sort());
  });

  for (const field of TESTED) {
    it(`is never served and raises an alarm, its digest mended or not: ${field}`, async (t) => {
      const target = targets[field];
      const { table, column, id, subject } = target;
      const row: RawRow = await past.row(table, id);
      const edits = { ...damaged(String(row[column])), ...target.others };
      for (const [what, value] of Object.entries(edits)) {
        assert.notEqual(value, row[column], what);
        await past.edit(table, id, { [column]: value });
        await assertRefused(target, 'ROW_TAMPERED', id, `${field}, ${what}`);
        await past.mend(table, id);
        await assertRefused(target, 'ENVELOPE_BROKEN', subject, `${field}, ${what}, digest mended`);
        await past.restore(table, row);
      }
      const { status, body } = await target.read();
      assert.deepEqual([status, body.data], [200, { value: values['two'] }], `${field}, restored`);
      // Taking a delivery emptied its row again.
      await past.restore(table, row);
      t.diagnostic(`${field}: ${Object.keys(edits).length} edits, each with its digest as it was and mended`);
    });
  }

  it('is never served, its whole row put back as it was before its last change, all else current', async () => {
    const rows = async () => {
      const all = await Promise.all(TESTED.map((field) => past.row(targets[field].table, targets[field].id)));
      return Object.fromEntries(TESTED.map((field, i) => [field, all[i] as RawRow])) as Record<TestedField, RawRow>;
    };
    const columnOf = (field: TestedField, of: Record<TestedField, RawRow>) => of[field][targets[field].column];
    const putBack = async (fields: readonly TestedField[], rotate: () => Promise<unknown>) => {
      const before = await rows();
      await rotate();
      const after = await eventually('each is re-wrapped', async () => {
        const now = await rows();
        return fields.every((field) => columnOf(field, now) !== columnOf(field, before)) ? now : null;
      });
      for (const field of fields) {
        const { table, id } = targets[field];
        await past.edit(table, id, before[field]);
        await assertRefused(targets[field], 'ROW_TAMPERED', id, `${field}, put back`);
        await past.restore(table, after[field]);
        const { status, body } = await targets[field].read();
        assert.deepEqual([status, body.data], [200, { value: values['two'] }], `${field}, current again`);
      }
    };
    await putBack(['root-key', 'environment-key'], () => shared().expect(200, 'POST', '/v1/vault/root/rotate'));
    const ofEnvironments = TESTED.filter((field) => field !== 'root-key' && field !== 'environment-key');
    await putBack(ofEnvironments, async () => {
      await shared().expect(200, 'POST', '/v1/vault/keys/rotate', { project: 'market', environment: 'test' });
      await shared().expect(200, 'POST', '/v1/vault/keys/rotate', { project: 'default', environment: 'production' });
    });
  });

  it('is not served from a row that says it is of another version, secret or environment', async () => {
    const { table, id, read } = targets['secret.value'];
    const row = await past.row(table, id);
    const [elsewhere] = await raw.rows(`select * from secret_versions where secret_id <> '${row['secret_id']}'`);
    // Out of the way: there is one row of a version.
    await raw.run(`update secret_versions set version = 1000 where secret_id = '${row['secret_id']}' and version = 1`);
    await past.edit(table, id, { version: 1 });
    const older = await call('POST', `/v1/secrets/${row['secret_id']}/reveal`, { version: 1 });
    assert.equal(older.body.code, 'ROW_TAMPERED');
    await past.mend(table, id);
    const mended = await call('POST', `/v1/secrets/${row['secret_id']}/reveal`, { version: 1 });
    assert.equal(mended.body.code, 'ENVELOPE_BROKEN');
    await past.restore(table, row);
    await raw.run(`update secret_versions set version = 1 where version = 1000`);
    await past.edit(table, id, { environment_id: elsewhere.environment_id, project_id: elsewhere.project_id });
    await past.mend(table, id);
    // The place is where the secret lies: nobody relies on what its version says of that.
    const { status, body } = await read();
    assert.deepEqual([status, body.data], [200, { value: values['two'] }]);
    await past.restore(table, row);
  });

  it('is not served through a secret that was moved to where somebody may reveal', async () => {
    const [secret] = await raw.rows(`select * from secrets where id = '${targets['secret.value'].subject}'`);
    const [mine] = await raw.rows("select id from environments where name = 'other'");
    const token = await shared().expect(201, 'POST', '/v1/tokens', {
      ...{ name: 'narrow', scopes: ['admin'], environment: 'market/other' },
    });
    const steal = () =>
      shared().installation.call('POST', `/v1/secrets/${secret.id}/reveal`, {}, { token: token.secret });
    assert.equal((await steal()).status, 404);
    await past.edit('secrets', secret.id, { environment_id: mine.id, path: 'moved' });
    assert.equal((await steal()).body.code, 'ROW_TAMPERED');
    assert.equal(await alarmed('ROW_TAMPERED', secret.id), true);
    await past.mend('secrets', secret.id);
    assert.equal((await steal()).body.code, 'ENVELOPE_BROKEN');
    await past.restore('secrets', secret);
    assert.equal((await steal()).status, 404);
  });

  it('is not served when one row is put back as it was before its last change, all else current', async () => {
    const { id: versionId, table } = targets['secret.value'];
    const before = await past.row(table, versionId);
    const secretId = String(before['secret_id']);
    for (const word of ['delete', 'destroy']) {
      await shared().expect(200, 'POST', `/v1/secrets/${secretId}/${word}`, { versions: [2] });
      const current = await past.row(table, versionId);
      await past.edit(table, versionId, before);
      assert.equal((await reveal(secretId)).body.code, 'ROW_TAMPERED', word);
      assert.equal(await alarmed('ROW_TAMPERED', versionId), true);
      await past.edit(table, versionId, current);
      if (word === 'delete') await shared().expect(200, 'POST', `/v1/secrets/${secretId}/undelete`, { versions: [2] });
    }
    const seal = targets['root-key'].id;
    const old = await past.row('seals', seal);
    await changeSeal(shared().installation, 'passphrase');
    await closeSeal(shared().installation);
    await past.edit('seals', seal, old);
    assert.equal((await call('POST', '/v1/unseal', {})).body.code, 'ROW_TAMPERED');
  });
});
