import assert from 'node:assert/strict';
import {
  closeSync,
  lstatSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { writePrivate } from './private-file.ts';

it('what is secret takes the place of a file, has neither its mode nor its readers, and leaves a device what it is', () => {
  using stack = new DisposableStack();
  const folder = mkdtempSync(join(tmpdir(), 'keyhold-private-'));
  stack.defer(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'token');
  writeFileSync(file, 'older', { mode: 0o644 });
  const reader = openSync(file, 'r');
  stack.defer(() => closeSync(reader));
  writePrivate(file, 'secret');
  assert.deepEqual([readFileSync(file, 'utf8'), statSync(file).mode & 0o777], ['secret', 0o600]);
  assert.equal(readFileSync(reader, 'utf8'), 'older');
  const device = join(folder, 'device');
  symlinkSync('/dev/null', device);
  writePrivate(device, 'secret');
  assert.ok(lstatSync(device).isSymbolicLink());
  assert.throws(() => writePrivate(join(folder, 'nowhere', 'token'), 'secret'), /ENOENT/);
  assert.deepEqual(readdirSync(folder).sort(), ['device', 'token']);
});
