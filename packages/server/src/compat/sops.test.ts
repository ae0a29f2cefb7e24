import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, it } from 'node:test';
import { onEachDatabase } from '../testing/databases.ts';
import { haveSops } from '../testing/missing-part.ts';
import { shareVault } from '../testing/shared-vault.ts';

interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

onEachDatabase('SOPS works unchanged:', (createPlace) => {
  const shared = shareVault(createPlace);
  const folder = mkdtempSync(join(tmpdir(), 'keyhold-sops-'));
  after(() => rmSync(folder, { recursive: true }));

  /** As somebody runs it at his desk: address and token by the environment, nothing else of ours. */
  const run = async (sops: string, args: readonly string[], token = shared().installation.bootstrapToken) => {
    const env = { HOME: folder, VAULT_ADDR: shared().installation.vaultUrl, VAULT_TOKEN: token };
    const child = spawn(sops, [...args], { stdio: ['ignore', 'pipe', 'pipe'], cwd: folder, env });
    const [stdout, stderr, [code]] = await Promise.all([
      child.stdout.setEncoding('utf8').toArray(),
      child.stderr.setEncoding('utf8').toArray(),
      once(child, 'close'),
    ]);
    return { code, stdout: stdout.join(''), stderr: stderr.join('') } as Finished;
  };
  const must = async (...args: Parameters<typeof run>): Promise<string> => {
    const { code, stdout, stderr } = await run(...args);
    assert.equal(code, 0, stderr);
    return stdout;
  };
  const transit = async (path: string) => {
    const { status, body } = await shared().wire.call('POST', `transit/${path}`, {});
    assert.ok(status < 300, JSON.stringify(body));
  };
  /** A file that SOPS encrypted under a transit key, and what was in it. */
  const encrypted = async (sops: string, key: string) => {
    const [apiKey, name] = [randomUUID(), `${key}.yaml`];
    await transit(`keys/${key}`);
    mkdirSync(join(folder, 'plain'), { recursive: true });
    const plain = join(folder, 'plain', name);
    const text = `exchange:\n    apiKey: ${apiKey}\n    pairs:\n        - BTC-EUR\n`;
    writeFileSync(plain, text);
    const uri = `${shared().installation.vaultUrl}/v1/transit/keys/${key}`;
    const file = join(folder, name);
    writeFileSync(file, await must(sops, ['--encrypt', '--hc-vault-transit', uri, plain]));
    return { file, text, apiKey };
  };

  it('encrypts a file under a transit key, and decrypts it', async (t) => {
    const sops = haveSops(t);
    if (sops === null) return;
    const { file, text, apiKey } = await encrypted(sops, 'sops-one');
    const stored = readFileSync(file, 'utf8');
    assert.match(stored, /hc_vault:[\s\S]+enc: vault:v1:/);
    assert.ok(!stored.includes(apiKey));
    assert.equal(await must(sops, ['--decrypt', file]), text);
  });

  it('decrypts after the transit key was rotated, and puts a file under the new version', async (t) => {
    const sops = haveSops(t);
    if (sops === null) return;
    const { file, text } = await encrypted(sops, 'sops-two');
    await transit('keys/sops-two/rotate');
    assert.equal(await must(sops, ['--decrypt', file]), text);
    await must(sops, ['--rotate', '--in-place', file]);
    assert.match(readFileSync(file, 'utf8'), /enc: vault:v2:/);
    assert.equal(await must(sops, ['--decrypt', file]), text);
  });

  it('decrypts nothing with a token that may not, with a foreign key, or from an altered file', async (t) => {
    const sops = haveSops(t);
    if (sops === null) return;
    const [one, two] = [await encrypted(sops, 'sops-three'), await encrypted(sops, 'sops-four')];
    const read = await shared().token({ scopes: ['read'] });
    const swapped = join(folder, 'swapped.yaml');
    const otherKey = /enc: (vault:v1:\S+)/.exec(readFileSync(two.file, 'utf8'))?.[1] ?? '';
    writeFileSync(swapped, readFileSync(one.file, 'utf8').replace(/enc: vault:v1:\S+/, `enc: ${otherKey}`));
    const tries = [
      await run(sops, ['--decrypt', one.file], read),
      await run(sops, ['--decrypt', one.file], 'none'),
      await run(sops, ['--decrypt', swapped]),
    ];
    for (const { code, stdout } of tries) assert.deepEqual([code !== 0, stdout], [true, '']);
    assert.equal(await must(sops, ['--decrypt', one.file]), one.text);
  });
});
