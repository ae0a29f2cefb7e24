import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { QuotaAnswer, QuotaQuestion } from '@keyhold/protocol/verification-messages';
import { QuotaSlices } from './quota-slices.ts';

const START = Date.UTC(2026, 0, 15);

/** A control plane that answers when a test says so. */
class Control {
  connected = true;
  now = 0;
  readonly asked: QuotaQuestion[] = [];
  readonly learned: number[] = [];
  readonly slices = new QuotaSlices(
    this,
    () => this.now,
    (_key, _start, used) => this.learned.push(used),
  );
  #answer: (answer: unknown) => void = () => {};

  ask(question: QuotaQuestion): Promise<unknown> {
    this.asked.push(question);
    return new Promise((resolve) => (this.#answer = resolve));
  }

  async say(answer: QuotaAnswer | null): Promise<void> {
    this.#answer(answer);
    for (let i = 0; i < 10; i++) await null;
  }

  get last() {
    return this.asked.at(-1)?.quotas;
  }
}

const granted = (units: number, usedByAll = 0, key = 'key_1'): QuotaAnswer => ({
  quotas: [{ key, granted: units, usedByAll }],
});

it('asks once for all that want some, one question at a time, and says what it holds', async () => {
  const control = new Control();
  const { slices } = control;
  const waiting = [
    slices.obtain('key_1', START, 2),
    slices.obtain('key_1', START, 3),
    slices.obtain('key_2', START, 1),
  ];
  await null;
  await null;
  assert.deepEqual(control.last, [
    { key: 'key_1', periodStart: START, granted: 0, used: 0, wanted: 5 },
    { key: 'key_2', periodStart: START, granted: 0, used: 0, wanted: 1 },
  ]);
  const later = slices.obtain('key_1', START, 1);
  assert.equal(control.asked.length, 1);
  await control.say({ quotas: [...granted(20, 7).quotas, ...granted(1, 0, 'key_2').quotas] });
  assert.deepEqual(await Promise.all(waiting), ['asked', 'asked', 'asked']);
  assert.deepEqual(control.learned, [7, 0]);
  assert.equal(slices.covers('key_1', START, 20), true);
  assert.equal(slices.covers('key_1', START, 21), false);
  assert.equal(slices.covers('key_1', START + 1, 1), false, 'another period');
  assert.equal(slices.take('key_1', START, 5), true);
  assert.deepEqual(control.last, [{ key: 'key_1', periodStart: START, granted: 20, used: 0, wanted: 1 }]);
  assert.deepEqual(
    control.asked.map(({ turn }) => turn),
    [1, 2],
  );
  await control.say(null);
  assert.equal(await later, 'unreachable');
  assert.equal(slices.covers('key_1', START, 15), true, 'no answer takes nothing away');
});

it('asks again a second later where nothing was left, and not before', async () => {
  const control = new Control();
  const { slices } = control;
  const first = slices.obtain('key_1', START, 1);
  await null;
  await null;
  await control.say(granted(0, 9));
  assert.equal(await first, 'none');
  control.now = 999;
  assert.equal(await slices.obtain('key_1', START, 1), 'none');
  assert.equal(control.asked.length, 1);
  control.now = 1_000;
  void slices.obtain('key_1', START, 1);
  await null;
  await null;
  assert.equal(control.asked.length, 2);
  control.connected = false;
  assert.equal(await slices.obtain('key_1', START, 1), 'unreachable');
});

it('tells what was counted without a slice as used', async () => {
  const control = new Control();
  assert.equal(control.slices.take('key_1', START, 3), false);
  assert.equal(control.slices.take('key_1', START, 0), true);
  void control.slices.obtain('key_1', START, 1);
  await null;
  await null;
  assert.deepEqual(control.last, [{ key: 'key_1', periodStart: START, granted: 3, used: 3, wanted: 1 }]);
});

it('gives back what nobody used for ten seconds, and forgets what is over', async () => {
  const control = new Control();
  const { slices } = control;
  for (const key of ['key_1', 'key_2']) {
    void slices.obtain(key, START, 1);
    await null;
    await null;
    await control.say(granted(20, 0, key));
    slices.take(key, START, 1);
  }
  control.now = 9_999;
  slices.giveBackIdle(() => true);
  assert.equal(control.asked.length, 2);
  control.now = 10_000;
  slices.giveBackIdle((key) => key === 'key_1');
  assert.equal(slices.size, 1);
  assert.equal(slices.covers('key_1', START, 1), false);
  await null;
  await null;
  assert.deepEqual(control.last, [{ key: 'key_1', periodStart: START, granted: 1, used: 1, wanted: 0 }]);
  await control.say(granted(1, 1));
  assert.equal(slices.covers('key_1', START, 1), false);
});

it('gives back everything when it stops', async () => {
  const control = new Control();
  void control.slices.obtain('key_1', START, 1);
  await null;
  await null;
  await control.say(granted(20));
  control.slices.take('key_1', START, 4);
  control.slices.giveBackAll();
  assert.deepEqual(control.last, [{ key: 'key_1', periodStart: START, granted: 4, used: 4, wanted: 0 }]);
});
