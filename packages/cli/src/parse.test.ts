import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { formatCredential } from '@keyhold/protocol/credential-format';
import type { Key } from '@keyhold/protocol/operations/keys';
import { MANAGEMENT_OPERATIONS, VERIFIER_OPERATIONS } from '@keyhold/protocol/operations/registry';
import type { Command, Given } from './command.ts';
import { quota, rateLimits } from './commands/limits.ts';
import { COMMANDS, findCommand } from './commands/table-of-commands.ts';
import { EXIT_TEXTS } from './exit-codes.ts';
import { UsageError } from './failure.ts';
import { helpText } from './help.ts';
import { parseGiven, refuseSecrets } from './parse.ts';
import { documentedCommands, readDocs } from './testing/docs.ts';

function given(line: string): Given {
  const found = findCommand(line.split(' '));
  return parseGiven(found?.command as Command, found?.rest ?? []);
}

const refused = (line: string, message: RegExp) =>
  assert.throws(
    () => given(line),
    (error) => error instanceof UsageError && message.test(error.message),
  );

describe('the table of commands', () => {
  it('has a command for every operation of both planes', () => {
    const faces = COMMANDS.map((command) => ('operation' in command ? command.operation : undefined));
    const operations = [...MANAGEMENT_OPERATIONS, ...VERIFIER_OPERATIONS].map(({ id }) => id);
    assert.deepEqual(
      operations.filter((id) => !faces.includes(id)),
      [],
    );
  });

  it('is the one in docs/cli.md, with the same exit codes', () => {
    const docs = readDocs();
    assert.deepEqual(
      documentedCommands(docs),
      COMMANDS.map(({ words }) => words.join(' ')),
    );
    for (const [code, text] of EXIT_TEXTS) assert.ok(docs.includes(`| ${code} | ${text} |`), `exit code ${code}`);
    const help = helpText([]).join('\n');
    for (const [code, text] of EXIT_TEXTS) assert.ok(help.includes(`${code}  ${text}`));
  });

  it('is explained, each command with each of its flags', () => {
    for (const command of COMMANDS) {
      const text = helpText(command.words).join('\n');
      assert.ok(text.startsWith(`keyhold ${command.words.join(' ')}`));
      if ('flags' in command) for (const { name } of command.flags) assert.ok(text.includes(`--${name}`), name);
    }
  });
});

describe('flags become the fields of the API', () => {
  it('each by a name of its own: none is also where to send, with whose token', () => {
    for (const command of COMMANDS) {
      const names = 'flags' in command ? command.flags.map(({ name }) => name) : [];
      assert.deepEqual(names, [...new Set(names)], command.words.join(' '));
    }
    const create = 'audit exports create --name siem --kind webhook --webhook-url https://siem.example/';
    const { input, own } = given(`${create} --url http://127.0.0.1:7070`);
    assert.equal(input['url'], 'https://siem.example/');
    assert.equal(own['url'], 'http://127.0.0.1:7070');
  });

  it('reads what is so or not', () => {
    const invite = 'people invite --name n --role support --reason r --allow-password';
    assert.deepEqual(
      [given(`${invite} true`), given(`${invite} false`)].map(({ input }) => input['allowPassword']),
      [true, false],
    );
    refused(`${invite} maybe`, /--allow-password/);
  });

  it('names keys by their ids, never --key, which is refused', () => {
    const { input } = given('keys revoke-many --key-id key_1 --key-id key_2 --reason superseded');
    assert.deepEqual(input['keys'], ['key_1', 'key_2']);
  });

  it('lists by repeating, limits and quotas by their short forms', () => {
    const { input, own } = given(
      'keys issue --project p --environment e --consumer c --name n --permission a:b --permission c:* ' +
        '--allowed-network 10.0.0.0/8 --rate-limit minute=100/60 --quota 1000/day --ttl-seconds 60 --metadata {"a":[1]} --json',
    );
    assert.deepEqual(input, {
      project: 'p',
      environment: 'e',
      consumer: 'c',
      name: 'n',
      permissions: ['a:b', 'c:*'],
      allowedNetworks: ['10.0.0.0/8'],
      rateLimits: [{ name: 'minute', limit: 100, windowSeconds: 60 }],
      quota: { limit: 1000, period: 'day' },
      ttlSeconds: 60,
      metadata: { a: [1] },
    });
    assert.deepEqual(own, { json: true });
  });

  it('and what of them fails closed, shown as it is given', () => {
    const { input } = given('keys update key_1 --rate-limit minute=100/60,refuse --quota 1000/day,refuse');
    const withoutStore = 'refuse';
    assert.deepEqual(input['rateLimits'], [{ name: 'minute', limit: 100, windowSeconds: 60, withoutStore }]);
    assert.deepEqual(input['quota'], { limit: 1000, period: 'day', withoutStore });
    const shown = { ...input } as unknown as Key;
    assert.deepEqual([...rateLimits(shown), quota(shown)], ['minute=100/60,refuse', '1000/day,refuse']);
  });

  it('"none" clears what can be cleared, and is a value elsewhere', () => {
    assert.deepEqual(given('keys update key_1 --quota none --permission none --name none').input, {
      id: 'key_1',
      quota: null,
      permissions: [],
      name: 'none',
    });
    // A token is bound to some projects, or the flag is left out.
    const projects = helpText(['tokens', 'create']).filter((line) => line.includes('--project'));
    assert.match(projects.join(), /\(repeatable\)$/);
    assert.deepEqual(given('tokens create --name n --scope read --project none').input['projects'], ['none']);
  });
});

describe('wrong usage names the flag', () => {
  it('that is not known', () => refused('keys list --colour red', /'--colour'/));
  it('that is missing', () => refused('keys revoke key_1', /^--reason key_compromise\|.* is missing$/));
  it('that takes one of a few words', () =>
    refused('keys revoke key_1 --reason because', /^--reason takes key_compromise\|/));
  it('that takes a number', () =>
    refused('keys rotate key_1 --overlap-seconds 1e3', /^--overlap-seconds takes NUMBER$/));
  it('that takes a limit', () =>
    refused('keys update key_1 --rate-limit 100', /^--rate-limit takes NAME=LIMIT\/SECONDS\[,refuse\]$/));
  it('that takes a quota', () => refused('keys update key_1 --quota day', /^--quota takes LIMIT\/PERIOD\[,refuse\]$/));
  it('that takes an object', () => refused('keys update key_1 --metadata [1]', /^--metadata takes JSON-OBJECT$/));
  it('that is given twice', () => refused('keys list --q a --q b', /^--q is given more than once$/));
  it('that has no value', () => refused('keys list --q', /'--q <value>'/));
  it('or the argument that is missing', () => refused('keys get', /^KEY is missing$/));
  it('or how many are too many', () => refused('keys get a b', /^1 argument\(s\) too many$/));
});

it('no flag of a command is refused as a secret, wherever it stands', () => {
  for (const command of COMMANDS) {
    if (!('flags' in command)) continue;
    assert.doesNotThrow(
      () => refuseSecrets(command.flags.map(({ name }) => `--${name}`)),
      `a flag of ${command.words.join(' ')}`,
    );
  }
});

describe('a secret in an argument is refused and not repeated', () => {
  const secret = formatCredential('mkt_live', randomBytes(32));
  for (const args of [
    ['keys', 'list', '--token', secret],
    ['keys', 'list', `--token=${secret}`],
    ['verify', '--key', 'x'],
    ['verify', secret],
    ['keys', 'list', '--q', secret],
    ['keys', 'list', `--q=${secret}`],
    ['serve', secret],
  ]) {
    it(args.join(' ').replaceAll(secret, 'SECRET'), () => {
      assert.throws(
        () => refuseSecrets(args),
        (error) =>
          error instanceof UsageError &&
          !error.message.includes(secret) &&
          /arguments can be read/i.test(error.message),
      );
    });
  }
});
