import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';

const SETUP = fileURLToPath(new URL('./setup.mjs', import.meta.url));

/** What the set-up says on a machine of that kind. */
function setUpOn(platform: string, arch: string, node: string) {
  const pretend = [
    `Object.defineProperty(process, 'platform', { value: '${platform}' })`,
    `Object.defineProperty(process, 'arch', { value: '${arch}' })`,
    `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '${node}' } })`,
  ].join(';');
  const preload = `data:text/javascript,${encodeURIComponent(pretend)}`;
  return spawnSync(process.execPath, ['--import', preload, SETUP], { encoding: 'utf8' });
}

it('says which Node it takes, before it installs anything, where it brings none and the one here is too old', () => {
  for (const [platform, arch] of [
    ['darwin', 'arm64'],
    ['win32', 'x64'],
    ['linux', 'riscv64'],
  ] as const) {
    const { status, stderr, stdout } = setUpOn(platform, arch, '22.11.0');
    assert.equal(status, 1, `${platform} ${arch}`);
    assert.match(stderr, /^Keyhold runs on Node 24 or newer, and this is 22\.11\.0\./);
    assert.equal(stdout, '');
  }
});

/** A repository of its own, with an npm that only notes what it is asked; how often it was, after each set-up. */
function pretendRepository(): { setUp(): number; readonly folder: string } & Disposable {
  const folder = mkdtempSync(join(tmpdir(), 'keyhold-setup-'));
  const [npm, noted] = [join(folder, 'npm.mjs'), join(folder, 'noted')];
  mkdirSync(join(folder, 'scripts'));
  cpSync(SETUP, join(folder, 'scripts', 'setup.mjs'));
  writeFileSync(join(folder, 'package-lock.json'), '{}');
  writeFileSync(
    npm,
    `import { appendFileSync, mkdirSync } from 'node:fs';
    appendFileSync(${JSON.stringify(noted)}, process.argv.slice(2).join(' ') + '\\n');
    mkdirSync('node_modules', { recursive: true });`,
  );
  return {
    folder,
    setUp: () => {
      const env = { ...process.env, npm_execpath: npm };
      const { status, stderr } = spawnSync(process.execPath, ['scripts/setup.mjs'], { cwd: folder, env });
      assert.equal(status, 0, String(stderr));
      const asked = existsSync(noted) ? readFileSync(noted, 'utf8').trim().split('\n') : [];
      for (const line of asked) assert.match(line, /^ci /);
      return asked.length;
    },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}

it('installs where nothing is, and again where the lock file is another, and otherwise not', () => {
  using repository = pretendRepository();
  assert.equal(repository.setUp(), 1, 'nothing was installed');
  assert.equal(repository.setUp(), 1, 'what is there was installed again');
  writeFileSync(join(repository.folder, 'package-lock.json'), '{"changed":true}');
  assert.equal(repository.setUp(), 2, 'what the lock file says now was not installed');
  assert.equal(repository.setUp(), 2);
  rmSync(join(repository.folder, 'node_modules'), { recursive: true });
  assert.equal(repository.setUp(), 3, 'what somebody deleted was not installed');
});

it('runs by itself before npm start and npm test', () => {
  const { scripts } = JSON.parse(readFileSync(join(SETUP, '..', '..', 'package.json'), 'utf8'));
  assert.deepEqual([scripts.prestart, scripts.pretest], ['node scripts/setup.mjs', 'node scripts/setup.mjs']);
});
