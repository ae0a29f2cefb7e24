import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { readCheckpoint, writeCheckpoint } from '@keyhold/protocol/log/checkpoint';
import { signersOf } from '@keyhold/protocol/log/signed-message';
import { readNote, type SignedNote } from '@keyhold/protocol/log/signed-note';
import { verifySignature } from '../note-crypto.ts';
import { OwnLog } from '../testing/own-log.ts';
import { startWitness, type WitnessProcess } from '../testing/witness-process.ts';

const HOOK = new URL('../testing/kill-at.ts', import.meta.url).href;
const ROUNDS = Number(process.env['KEYHOLD_CRASH_ROUNDS'] ?? 8);

const rootOf = (log: OwnLog, size: number) => Buffer.from(log.checkpoint(size).root).toString('hex');

/** All that a witness ever gave its word for. */
class Given {
  readonly roots = new Map<number, string>();
  largest = 0;

  /** Checks the cosignatures of an answer, and that they contradict no earlier one. */
  take(witness: WitnessProcess, log: OwnLog, size: number, lines: string): void {
    const checkpoint = log.checkpoint(size);
    const note = readNote(`${writeCheckpoint(checkpoint)}\n${lines}`) as SignedNote;
    assert.equal(signersOf(verifySignature, witness.keys, note, checkpoint)?.size, 2);
    const root = rootOf(log, size);
    assert.equal(this.roots.get(size) ?? root, root, `two roots of size ${size}`);
    this.roots.set(size, root);
    this.largest = Math.max(this.largest, size);
  }

  /** What the witness says that it cosigned last is at least what it was seen to, and the same tree. */
  async check(witness: WitnessProcess, log: OwnLog): Promise<number> {
    const { status, text } = await witness.newest(log.origin);
    if (status === 404) {
      assert.equal(this.largest, 0, 'it forgot what it cosigned');
      return 0;
    }
    const { size, root } = readCheckpoint((readNote(text) as SignedNote).text) as { size: number; root: Uint8Array };
    assert.ok(size >= this.largest, `it went back from ${this.largest} to ${size}`);
    const expected = this.roots.get(size) ?? rootOf(log, size);
    assert.equal(Buffer.from(root).toString('hex'), expected);
    return size;
  }
}

describe('kill -9 of a witness', () => {
  it('at each step of writing down loses nothing that was answered, and never ends in a state that can’t be read', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'keyhold-witness-'));
    const log = new OwnLog('log.test/steps').grow(200);
    const given = new Given();
    let [killed, size] = [0, 0];
    for (let at = 1; ; at++) {
      const options = { folder, logs: log.verifierKeys, imports: [HOOK], env: { TEST_KILL_AT: String(at) } };
      await using witness = await startWitness(options);
      size = await given.check(witness, log);
      const answer = await witness.post(log.request(size, size + 3)).catch(() => null);
      if (answer !== null) {
        assert.equal(answer.status, 200);
        given.take(witness, log, size + 3, answer.text);
        break;
      }
      await witness.ended;
      killed++;
      // A fork of what may have been cosigned just now does not pass either.
      await using after = await startWitness({ folder, logs: log.verifierKeys });
      const now = await given.check(after, log);
      const fork = log.fork(now === 0 ? 0 : now - 1).grow(2, `fork ${at}`);
      if (now > 0) assert.equal((await after.post(fork.request(now))).status, 422);
    }
    // Open, write, sync, close, rename, open, sync and close the folder, answer.
    assert.equal(killed, 9);
    rmSync(folder, { recursive: true });
  });

  it('comes after the sync of file and folder where there was an answer', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'keyhold-witness-'));
    const log = new OwnLog('log.test/order').grow(3);
    await using witness = await startWitness({ folder, logs: log.verifierKeys, imports: [HOOK] });
    assert.equal((await witness.post(log.request(0))).status, 200);
    const file = ['openSync', 'writeFileSync', 'fsyncSync', 'closeSync', 'renameSync'];
    assert.deepEqual(witness.messages, [{ order: [...file, 'openSync', 'fsyncSync', 'closeSync', 'answer'] }]);
    rmSync(folder, { recursive: true });
  });

  it('under requests of a log and its fork at once: no size goes back, and no size has two roots', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'keyhold-witness-'));
    const log = new OwnLog('log.test/load').grow(600);
    // They part early, so that either may win; whichever did, the other never passes.
    const fork = log.fork(5).grow(595, 'fork');
    const given = new Given();
    let answered = 0;
    let chosen: OwnLog | null = null;
    for (let round = 0; round < ROUNDS; round++) {
      await using witness = await startWitness({ folder, logs: log.verifierKeys });
      let known = await given.check(witness, chosen ?? log);
      const from = answered;
      const enough = Promise.withResolvers<void>();
      const ask = async (of: OwnLog, step: number): Promise<void> => {
        for (;;) {
          const size = Math.min(known + step, of.size);
          const answer = await witness.post(of.request(known, size)).catch(() => null);
          if (answer === null) return;
          if (answer.status === 200) {
            if (size > 5) chosen ??= of;
            given.take(witness, of, size, answer.text);
            known = Math.max(known, size);
          } else if (answer.status === 409) known = Math.max(known, Number(answer.text));
          else assert.equal(answer.status, 422);
          answered++;
          if (answered > from + 10 + round * 3) enough.resolve();
        }
      };
      const asking = Promise.all([ask(log, 3), ask(fork, 4), ask(log, 5), ask(fork, 1)]);
      // Whatever one of them finds wrong ends the wait.
      await Promise.race([enough.promise, asking]);
      await witness.kill();
      await asking;
    }
    assert.ok(given.largest > 20);
    const loser = chosen === log ? fork : log;
    for (const [size, root] of given.roots) if (size > 5) assert.notEqual(root, rootOf(loser, size), `size ${size}`);
    t.diagnostic(`${ROUNDS} kills, ${answered} answers, up to size ${given.largest}`);
    rmSync(folder, { recursive: true });
  });
});
