import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
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
