import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { writeAddCheckpoint } from '@keyhold/protocol/log/add-checkpoint';
import { readVerifierKey } from '@keyhold/protocol/log/signed-note';
import { sha256 } from '../note-crypto.ts';
import { OwnLog } from '../testing/own-log.ts';
import { StateFolder } from './state-folder.ts';
import { Witness } from './witness.ts';

it('a fork that tries on and on is kept, whatever a stranger brings about with public notes and proofs of nothing', () => {
  const folder = mkdtempSync(join(tmpdir(), 'keyhold-witness-'));
  const [log, other] = [new OwnLog('log.test/1').grow(200), new OwnLog('log.test/2').grow(20)];
  const keys = [log, other].flatMap(({ verifierKeys }) => verifierKeys.map((key) => readVerifierKey(sha256, key)));
  const lines: string[] = [];
  let now = 5_000;
  const state = StateFolder.open(folder, 'witness.test/1');
  const witness = new Witness(
    state,
    keys.filter((key) => key !== null),
    () => now,
    (line) => lines.push(line),
  );
  const post = (text: string) => witness.addCheckpoint(Buffer.from(text)).status;
  const flood = (from: number) => {
    for (let size = from; size < from + 40; size++) {
      const checkpoint = log.signed(size);
      assert.equal(post(writeAddCheckpoint({ oldSize: 10, proof: [new Uint8Array(32)], checkpoint })), 422);
    }
  };
  const isKept = ({ origin, size }: OwnLog) =>
    witness.alarms().some((kept) => kept.origin === origin && kept.sizes.refused === size);
  assert.equal(post(log.request(0, 10)), 200);
  assert.equal(post(other.request(0, 10)), 200);
  flood(11);
  const fork = log.fork(5).grow(60, 'another');
  assert.equal(post(fork.request(10)), 422);
  assert.ok(!isKept(fork), 'there is no room within the minute');
  const of2 = other.fork(5).grow(60, 'another');
  assert.equal(post(of2.request(10)), 422);
  assert.ok(isKept(of2), 'the room is of each log');

  now += 60;
  const said = lines.length;
  assert.equal(post(fork.request(10)), 422);
  assert.ok(isKept(fork));
  assert.match(lines.slice(said).join('\n'), /ALARM: .*not shown to continue.* log\.test\/1, .*refused at 65/);
  flood(70);
  assert.ok(isKept(fork), 'what is kept stays for a minute');
  assert.ok(witness.alarms().length <= 64);
  assert.equal(readdirSync(join(folder, 'evidence')).length, witness.alarms().length);
  rmSync(folder, { recursive: true });
});
