import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Leases } from './leases.ts';
import { VirtualClock } from './testing/virtual-clock.ts';

function started() {
  const clock = new VirtualClock();
  const leases = new Leases(clock);
  return {
    clock,
    leases,
    grant: (request: number, seconds = 10, sequence = 1, applied = 1, environment = 'env_1') =>
      leases.granted(request, sequence, [{ environment, seconds }], applied),
    covers: (environment = 'env_1') => leases.covers(environment, clock.monotonic(), clock.wall()),
  };
}

it('counts a lease from when it was asked for, not from when the answer came', () => {
  const { clock, leases, grant, covers } = started();
  const request = leases.ask();
  clock.advance(9_000);
  grant(request);
  assert.ok(covers());
  clock.advance(999);
  assert.ok(covers());
  clock.advance(1);
  assert.ok(!covers());
});

it('gives nothing for an answer that travelled longer than the lease', () => {
  const { clock, leases, grant, covers } = started();
  const request = leases.ask();
  clock.advance(10_000);
  grant(request);
  assert.ok(!covers());
});

it('ends a lease by the monotonic clock when the wall clock is set back', () => {
  const { clock, leases, grant, covers } = started();
  grant(leases.ask());
  clock.stepWall(-3_600_000);
  clock.advance(9_999);
  assert.ok(covers());
  clock.advance(1);
  assert.ok(!covers());
});

it('ends a lease by the wall clock when that runs ahead, as after a sleep of the machine', () => {
  const { clock, leases, grant, covers } = started();
  grant(leases.ask());
  clock.stepWall(9_999);
  assert.ok(covers());
  clock.stepWall(1);
  assert.ok(!covers());
});

it('lets a grant count only when the head that it names is applied', () => {
  const { leases, grant, covers } = started();
  grant(leases.ask(), 10, 5, 3);
  assert.ok(!covers());
  assert.ok(!leases.has('env_1'));
  leases.applied(4);
  assert.ok(!covers());
  leases.applied(5);
  assert.ok(covers());
});

it('keeps the older lease while a newer grant waits for its head', () => {
  const { clock, leases, grant, covers } = started();
  grant(leases.ask());
  clock.advance(9_000);
  grant(leases.ask(), 10, 2, 1);
  clock.advance(1_000);
  assert.ok(!covers());
  leases.applied(2);
  assert.ok(covers());
  clock.advance(9_000);
  assert.ok(!covers());
});

it('never lengthens a lease by a repeated answer', () => {
  const { clock, leases, grant, covers } = started();
  const request = leases.ask();
  grant(request);
  clock.advance(5_000);
  grant(request);
  clock.advance(5_000);
  assert.ok(!covers());
  grant(request);
  assert.ok(!covers());
});

it('never shortens a lease by a late answer to an earlier question', () => {
  const { clock, leases, grant, covers } = started();
  const early = leases.ask();
  clock.advance(5_000);
  grant(leases.ask());
  grant(early);
  clock.advance(9_999);
  assert.ok(covers());
});

it('ignores answers to questions that it never asked, or asked too long ago', () => {
  const { leases, grant, covers } = started();
  const first = leases.ask();
  for (const request of [first + 1, 0, -1, Number.NaN]) grant(request);
  assert.ok(!covers());
  for (let i = 0; i < 16; i++) leases.ask();
  grant(first);
  assert.ok(!covers());
  grant(first + 1);
  assert.ok(covers());
});

it('covers the environments granted and no other', () => {
  const { leases, clock, covers } = started();
  leases.granted(
    leases.ask(),
    1,
    [
      { environment: 'env_1', seconds: 1 },
      { environment: 'env_2', seconds: 300 },
    ],
    1,
  );
  clock.advance(1_000);
  assert.ok(!covers('env_1'));
  assert.ok(covers('env_2'));
  assert.ok(!covers('env_3'));
  assert.ok(leases.has('env_1'));
  assert.ok(!leases.has('env_3'));
});

it('gives up everything at once, what was asked and what waits too', () => {
  const { leases, grant, covers } = started();
  const request = leases.ask();
  grant(leases.ask());
  grant(leases.ask(), 10, 9, 1, 'env_2');
  leases.drop();
  assert.ok(!covers());
  leases.applied(9);
  assert.ok(!covers('env_2'));
  grant(request);
  assert.ok(!covers());
  grant(leases.ask());
  assert.ok(covers());
});
