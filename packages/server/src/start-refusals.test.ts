import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { POSTGRES_URL } from './testing/postgres.ts';
import { StartFailed, startProcess } from './testing/processes.ts';

const EXIT_CONFIGURATION = 2;

describe('what cannot start as configured', () => {
  let folder = '';
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'keyhold-refusals-'));
    writeFileSync(join(folder, 'file'), 'no PEM, and no folder', { mode: 0o600 });
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  /** Says in one line what to mend, shows no stack, and exits with the code for it. */
  async function refuses(says: RegExp, args: readonly string[], env: Record<string, string> = {}): Promise<void> {
    const own = {
      KEYHOLD_DATA: join(folder, 'data'),
      XDG_DATA_HOME: join(folder, 'home'),
      KEYHOLD_PORT: '0',
      KEYHOLD_VERIFIER_PORT: '0',
    };
    await assert.rejects(startProcess({ args, env: { ...own, ...env } }), (error: unknown) => {
      assert.ok(error instanceof StartFailed);
      assert.match(error.output, says);
      assert.doesNotMatch(error.output, /\n {4}at /);
      assert.equal(error.exitCode, EXIT_CONFIGURATION, error.output);
      return true;
    });
  }

  const file = () => join(folder, 'file');

  it('names the setting that it cannot read', () =>
    refuses(/^keyhold: KEYHOLD_LOG_LEVEL is "loud"/, ['serve'], { KEYHOLD_LOG_LEVEL: 'loud' }));
  it('says that the data folder is none', () =>
    refuses(/^keyhold: \S+file is to be a folder/, ['serve'], { KEYHOLD_DATA: file() }));
  it('says that a folder cannot be made below a file', () =>
    refuses(/^keyhold: \S+ is to be a folder/, ['serve'], { KEYHOLD_DATA: join(file(), 'data') }));
  it('names the certificate that is none', () =>
    refuses(/^keyhold: --tls-cert \S+file and --tls-key \S+file cannot be used/, [
      ...['serve', '--no-verifier', '--tls-cert', file(), '--tls-key', file()],
    ]));
  it('names the pinned certificate that is none', () =>
    refuses(/^keyhold: --control-cert: \S+file has to hold/, [
      ...['verifier', '--control', 'https://127.0.0.1:1', '--token-file', file(), '--control-cert', file()],
    ]));
  it('says that the database is at no host', () =>
    refuses(/^keyhold: KEYHOLD_DATABASE_URL or --host names what is not there/, ['serve', '--no-verifier'], {
      KEYHOLD_DATABASE_URL: 'postgres://user@database.invalid/keyhold',
    }));

  it('says which port of its verifier is taken, and does not start it again', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as { port: number };
    try {
      await refuses(new RegExp(`port ${port} is taken: .*keyhold: its verifier process cannot start`, 's'), ['serve'], {
        KEYHOLD_VERIFIER_PORT: String(port),
      });
    } finally {
      taken.close();
    }
  });

  it('says what PostgreSQL refuses, without the password', { skip: POSTGRES_URL === undefined }, async () => {
    const wrong = new URL(POSTGRES_URL ?? '');
    wrong.password = 'hunter2';
    const [to, none] = [['serve', '--no-verifier'], new URL(POSTGRES_URL ?? '')];
    await refuses(/^keyhold: (?!.*hunter2)the database does not let this user in/, to, {
      KEYHOLD_DATABASE_URL: wrong.href,
    });
    none.pathname = '/nonesuch';
    await refuses(/^keyhold: create the database that KEYHOLD_DATABASE_URL names/, to, {
      KEYHOLD_DATABASE_URL: none.href,
    });
  });
});
