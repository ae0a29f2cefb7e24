import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { getReceipt } from '@keyhold/protocol/operations/audit';
import { issueKey, listKeys } from '@keyhold/protocol/operations/keys';
import { createEnvironment, setPermission, setSigning } from '@keyhold/protocol/operations/projects';
import { Closed, Time } from '@keyhold/protocol/operations/shapes';
import { type TSchema, Type } from 'typebox';
import { InvalidInput, validatorCompiler } from './validation.ts';

function validate(schema: TSchema | undefined, httpPart: string, value: unknown): { value?: unknown; error?: Error } {
  assert.ok(schema !== undefined);
  const validator = validatorCompiler({ schema, method: 'POST', url: '/', httpPart } as never) as (value: unknown) => {
    value?: unknown;
    error?: Error;
  };
  return validator(value);
}

function refusalOf(schema: TSchema | undefined, httpPart: string, value: unknown): string {
  const { error } = validate(schema, httpPart, value);
  assert.ok(error instanceof InvalidInput, `${JSON.stringify(value)} was taken`);
  return `${error.refusal.field}: ${error.refusal.detail}`;
}

const KEY = {
  project: 'market',
  environment: 'live',
  consumer: 'cons_01900000-0000-7000-8000-000000000001',
  name: 'key',
  permissions: [],
};

describe('a refused field is told what it takes, and never what was sent', () => {
  const cases: [schema: TSchema | undefined, value: unknown, says: RegExp][] = [
    [
      issueKey.body,
      { ...KEY, credential: { kind: 'foo' } },
      /^\/credential\/kind: .* one of "bearer", .*"public-key"\.$/,
    ],
    [issueKey.body, { ...KEY, credential: {} }, /^\/credential\/kind: .* one of "bearer"/],
    [issueKey.body, { ...KEY, credential: 'foo' }, /^\/credential: This field must be object\.$/],
    [issueKey.body, { ...KEY, credential: { kind: 'public-key' } }, /^\/credential\/\w+: This field is missing\.$/],
    [
      issueKey.body,
      { ...KEY, credential: { kind: 'bearer', x: 1 } },
      /^\/credential\/x: There is no such field here\.$/,
    ],
    [issueKey.body, { ...KEY, expiresAt: 'soon' }, /^\/expiresAt: .*: RFC 3339, such as 2030-01-31T12:00:00Z$/],
    [issueKey.body, { ...KEY, consumer: 'bot' }, /^\/consumer: .*: An id such as cons_01900000-/],
    [issueKey.body, { ...KEY, permissions: ['x'] }, /^\/permissions\/0: .*`resource:action`/],
    [
      issueKey.body,
      { ...KEY, quota: { limit: 1, period: 'week' } },
      /^\/quota\/period: .* "minute", "hour", "day", "month"\.$/,
    ],
    [issueKey.body, { ...KEY, name: 1 }, /^\/name: This field must be string\.$/],
    [issueKey.body, { ...KEY, secret: 1 }, /^\/secret: There is no such field here\.$/],
    [issueKey.body, [], /^\/: This field must be object\.$/],
    [
      setSigning.body,
      { dialects: [{ dialect: 'binnance' }] },
      /^\/dialects\/0\/dialect: .* one of "rfc9421", "binance", .*"hmac"\.$/,
    ],
    [
      setSigning.body,
      { dialects: [{ dialect: 'hmac', credentialHeader: 'x-key' }] },
      /^\/dialects\/0\/\w+: This field is missing\.$/,
    ],
    [setPermission.body, { confirm: 'x' }, /^\/confirm: This field takes .*"online".*\.$/],
    [
      createEnvironment.body,
      { name: 'live', prefix: 'live', kind: 'x' },
      /^\/kind: .* "development", "testing", "production"\.$/,
    ],
  ];
  for (const [schema, value, says] of cases) {
    it(says.source, () => {
      const said = refusalOf(schema, 'body', value);
      assert.match(said, says);
      assert.doesNotMatch(said, /[\\^$]|\[0-9|allowed values|constant/);
    });
  }

  it('names what stands in an address without a pointer', () => {
    assert.match(refusalOf(listKeys.query, 'querystring', { state: 'x' }), /^state: This field takes one of "/);
    assert.match(refusalOf(listKeys.query, 'querystring', { limt: '1' }), /^limt: There is no such field here\.$/);
  });
});

describe('numbers in addresses', () => {
  const ODD = ['true', '9.99', '1.5', '0x10', '1n', ' 1', '1 ', '+1', '1e1', '', '1_0', '１', 'Infinity', ['1', '2']];

  it('are read where they are decimal integers', () => {
    assert.deepEqual(validate(listKeys.query, 'querystring', { limit: '200' }).value, { limit: 200 });
    assert.deepEqual(validate(getReceipt.params, 'params', { sequence: '7' }).value, { sequence: 7 });
  });

  it('are refused in any other writing, and where they would be rounded to another', () => {
    for (const odd of [...ODD, '0', '201', '-1']) refusalOf(listKeys.query, 'querystring', { limit: odd });
    for (const odd of [...ODD, '1.9', '9007199254740993', '9'.repeat(400)])
      refusalOf(getReceipt.params, 'params', { sequence: odd });
  });

  it('and truths have one writing each', () => {
    const schema = Closed({ is: Type.Boolean() });
    assert.deepEqual(validate(schema, 'querystring', { is: 'true' }).value, { is: true });
    assert.deepEqual(validate(schema, 'querystring', { is: 'false' }).value, { is: false });
    for (const odd of ['1', '0', 'TRUE', 'yes', '']) refusalOf(schema, 'querystring', { is: odd });
  });
});

describe('times', () => {
  const schema = Closed({ at: Time });
  const isTaken = (at: string) => validate(schema, 'body', { at }).error === undefined;
  const two = (value: number) => String(value).padStart(2, '0');

  it('are days that there are', () => {
    for (const year of [1900, 1999, 2000, 2023, 2024, 2030, 2100, 2400, 9999]) {
      for (let month = 0; month <= 13; month++) {
        for (let day = 0; day <= 32; day++) {
          const there = new Date(Date.UTC(year, month - 1, day));
          const isThere =
            there.getUTCFullYear() === year && there.getUTCMonth() === month - 1 && there.getUTCDate() === day;
          const at = `${year}-${two(month)}-${two(day)}T12:00:00Z`;
          assert.equal(isTaken(at), isThere, at);
        }
      }
    }
  });

  it('are hours, minutes and offsets that there are', () => {
    for (const rest of ['00:00:00Z', '23:59:59.999999999Z', '23:59:59+14:00', '00:00:00-23:59'])
      assert.ok(isTaken(`2030-01-31T${rest}`), rest);
    for (const rest of [
      '24:00:00Z',
      '23:60:00Z',
      '23:59:60Z',
      '12:00:00+24:00',
      '12:00:00+01:60',
      '12:00:00',
      '12:00Z',
    ])
      assert.ok(!isTaken(`2030-01-31T${rest}`), rest);
  });
});
