import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { it } from 'node:test';
import { createPlace, type TestPlace } from '../testing/databases.ts';
import { eventually } from '../testing/eventually.ts';
import { have } from '../testing/missing-part.ts';
import { type ProcessInstallation, startProcessInstallation } from '../testing/process-installation.ts';
import { openRaw } from '../testing/raw-database.ts';
import { changeSeal, closeSeal, mustOpenSeal, type Opener } from '../testing/seals.ts';
import { keyOfPassphrase } from './passphrase-seal.ts';
import { parametersOf, unwrapRootKey } from './root-key.ts';
import type { SealParameters } from './seal.ts';
import { checkShare, combineShares } from './shamir-seal.ts';
import type { Share } from './share.ts';

const CHUNK = 4 * 1024 * 1024;

/** Every byte that a core image of the process would have, in parts that overlap by `overlap`. */
function* imageOf(pid: number, overlap: number): Generator<Buffer> {
  const memory = openSync(`/proc/${pid}/mem`, 'r');
  try {
    for (const line of readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n')) {
      const match = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line);
      if (match === null) continue;
      const [start, end] = [BigInt(`0x${match[1]}`), BigInt(`0x${match[2]}`)];
      for (let at = start; at < end; at += BigInt(CHUNK)) yield readAt(memory, at, end, overlap);
    }
  } finally {
    closeSync(memory);
  }
}

function readAt(memory: number, at: bigint, end: bigint, overlap: number): Buffer {
  const rest = end - at;
  const bytes = Buffer.alloc(Number(rest < BigInt(CHUNK + overlap) ? rest : BigInt(CHUNK + overlap)));
  try {
    return bytes.subarray(0, readSync(memory, bytes, 0, bytes.length, at as never));
  } catch {
    // Reserved and never written to.
    return bytes.subarray(0, 0);
  }
}

function isInside(pid: number, needles: readonly Buffer[]): boolean[] {
  const found = needles.map(() => false);
  for (const part of imageOf(pid, 256)) {
    for (const [i, needle] of needles.entries()) found[i] ||= part.includes(needle);
  }
  return found;
}

interface Keys {
  readonly seal: Buffer;
  readonly root: Buffer;
}

/** What opens everything, as whoever has the database and what opens its seal works it out. */
async function keysOf(place: TestPlace, opener: Opener = { kind: 'file' }): Promise<Keys> {
  await using raw = await openRaw(place);
  const [[row], [head]] = [await raw.rows('select * from seals'), await raw.rows('select * from ledger_head')];
  const seal = await sealKeyOf(place, parametersOf(row), opener);
  return { seal, root: unwrapRootKey(head.installation, row, Buffer.from(seal)).root.key.export() };
}

async function sealKeyOf({ folder }: TestPlace, parameters: SealParameters, opener: Opener): Promise<Buffer> {
  if (parameters.kind === 'passphrase' && opener.kind === 'passphrase')
    return await keyOfPassphrase(parameters, opener.passphrase);
  if (parameters.kind === 'shamir' && opener.kind === 'shamir') {
    const shares = opener.shares.slice(0, opener.threshold).map((text) => checkShare(parameters, text) as Share);
    return await combineShares(shares);
  }
  return Buffer.from(readFileSync(`${folder}.key`, 'utf8'), 'base64');
}

async function storeAndReveal({ call }: ProcessInstallation): Promise<void> {
  const body = { project: 'default', environment: 'production', path: 'a/path', data: { value: 'a value' } };
  assert.equal((await call('POST', '/v1/secrets', body)).status, 201);
  const { id } = (await call('GET', '/v1/secrets?project=default&environment=production')).body.items[0];
  assert.equal((await call('POST', `/v1/secrets/${id}/reveal`, {})).status, 200);
}

function isReadable(): boolean {
  try {
    closeSync(openSync('/proc/self/mem', 'r'));
    return process.getuid?.() === 0;
  } catch {
    return false;
  }
}

it('a core image of an unsealed installation has the root key, and of stored secrets nothing', async (t) => {
  if (!have(t, "a kernel that shows root a process's memory", isReadable())) return;
  await using place = await createPlace('sqlite');
  await using installation = await startProcessInstallation(place);
  const [value, other] = [`planted-${randomBytes(24).toString('hex')}`, `planted-${randomBytes(24).toString('hex')}`];
  for (const [path, planted] of [
    ['left/alone', value],
    ['looked/at', other],
  ] as const) {
    const body = { project: 'default', environment: 'production', path, data: { value: planted } };
    assert.equal((await installation.call('POST', '/v1/secrets', body)).status, 201);
  }
  await installation.control.kill();
  await installation.startControl();
  const { pid } = installation.control;
  const sealKey = Buffer.from(readFileSync(`${place.folder}.key`, 'utf8'), 'base64');
  const [hasKey, hasValue, hasOther] = isInside(pid, [sealKey, Buffer.from(value), Buffer.from(other)]);
  assert.equal(hasKey, true, 'the key that opens everything is what has to be there, and is found');
  assert.deepEqual([hasValue, hasOther], [false, false], 'nobody asked for them since the start');
  const { id } = (await installation.call('GET', '/v1/secrets?project=default&environment=production')).body.items[0];
  assert.equal((await installation.call('POST', `/v1/secrets/${id}/reveal`, {})).status, 200);
  const after = isInside(pid, [Buffer.from(value), Buffer.from(other)]);
  assert.equal(after.filter(Boolean).length <= 1, true, 'what was revealed brings nothing else with it');
});

it('once it is sealed, a core image has neither the root key nor the key of its seal', async (t) => {
  if (!have(t, "a kernel that shows root a process's memory", isReadable())) return;
  await using place = await createPlace('sqlite');
  await using installation = await startProcessInstallation(place);
  await storeAndReveal(installation);
  const { seal, root } = await keysOf(place);
  assert.deepEqual(isInside(installation.control.pid, [seal, root]), [true, true], 'while it is unsealed');
  assert.equal((await installation.call('POST', '/v1/seal')).status, 200);
  assert.deepEqual(isInside(installation.control.pid, [seal, root]), [false, false]);
  await mustOpenSeal(installation, { kind: 'file' });
  for (const kind of ['passphrase', 'shamir'] as const) {
    const opener = await changeSeal(installation, kind);
    const keys = await keysOf(place, opener);
    await closeSeal(installation);
    await mustOpenSeal(installation, opener);
    // Of what we freed and did not wipe the allocator writes over the first bytes; what Node's cipher frees is not ours.
    const needles = [keys.seal.subarray(-16), root];
    // What begins once it is open may still work with a key: then that is cleared the next time.
    await eventually(`neither key, ${kind}, made and opened`, async () => {
      await closeSeal(installation);
      const isClean = !isInside(installation.control.pid, needles).includes(true);
      await mustOpenSeal(installation, opener);
      return isClean;
    });
  }
});

it("a seal's key that another seal replaced, and a root key that was retired, leave the memory", async (t) => {
  if (!have(t, "a kernel that shows root a process's memory", isReadable())) return;
  await using place = await createPlace('sqlite');
  await using installation = await startProcessInstallation(place);
  await storeAndReveal(installation);
  const { seal, root } = await keysOf(place);
  const change = { kind: 'passphrase', passphrase: 'of many words, and long enough' };
  assert.equal((await installation.call('POST', '/v1/seal/change', change)).status, 200);
  await eventually('the old key of the seal is gone', async () => !isInside(installation.control.pid, [seal])[0]);
  assert.equal((await installation.call('POST', '/v1/vault/root/rotate')).status, 200);
  await eventually('the old root key is gone', async () => !isInside(installation.control.pid, [root])[0]);
});
