import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { handOut, type Slice } from './quota-slice.ts';

it('hands out no more than the limit, whatever is asked, used, lost and given back', () => {
  const step = fc.record({
    verifier: fc.nat({ max: 4 }),
    does: fc.constantFrom('ask', 'ask', 'use', 'use', 'give back', 'crash', 'lose the answer'),
    units: fc.integer({ min: 1, max: 40 }),
  });
  const property = fc.property(fc.integer({ min: 0, max: 300 }), fc.array(step, { maxLength: 120 }), (limit, steps) => {
    /** What the control plane knows, the slices of crashed ones too; and what the verifiers themselves know. */
    const [table, held] = [new Map<number, Slice>(), new Map<number, { granted: number; used: number }>()];
    let [names, total, lost] = [100, 0, 0];
    const living = [0, 1, 2, 3, 4];
    const ask = (name: number, wanted: number, mine: Slice) => {
      const others = [...table].flatMap(([other, slice]) => (other === name ? [] : slice));
      const { granted } = handOut({ limit, mine, wanted, others, reported: 0 });
      table.set(name, { ...mine, granted });
      return granted;
    };
    for (const { verifier, does, units } of steps) {
      const name = living[verifier] as number;
      const slice = held.get(name) ?? { granted: 0, used: 0 };
      held.set(name, slice);
      if (does === 'use' && slice.used + units <= slice.granted) {
        slice.used += units;
        total += units;
      } else if (does === 'ask') slice.granted = ask(name, units, slice);
      else if (does === 'lose the answer') ask(name, units, slice);
      else if (does === 'give back') {
        slice.granted = slice.used;
        ask(name, 0, slice);
      } else if (does === 'crash') {
        lost += (table.get(name)?.granted ?? 0) - slice.used;
        living[verifier] = names++;
      }
      const handedOut = [...table.values()].reduce((sum, { granted }) => sum + granted, 0);
      assert.ok(handedOut <= limit && total <= handedOut, `${total} of ${handedOut} of ${limit}`);
    }
    // One verifier that goes on gets all that is neither used, nor held, nor lost with another.
    for (const [name, slice] of held) if (living.includes(name)) table.set(name, { ...slice, granted: slice.used });
    const last = { granted: 0, used: 0 };
    for (let round = 0; round < 400; round++) last.granted = last.used = ask(999, 1, last);
    assert.equal(last.used + total + lost, Math.max(limit, total + lost));
  });
  fc.assert(property, { numRuns: 2000 });
});

it('hands out nothing of what a verifier counted beyond its slice, while nobody could be asked', () => {
  const mine = { granted: 0, used: 0 };
  const others = [{ granted: 63, used: 563 }];
  assert.equal(handOut({ limit: 1000, mine, wanted: 400, others, reported: 563 }).granted, 400);
  assert.equal(handOut({ limit: 1000, mine, wanted: 900, others, reported: 0 }).granted, 437);
  const first = { granted: 400, used: 0 };
  assert.equal(handOut({ limit: 1000, mine, wanted: 400, others: [...others, first], reported: 563 }).granted, 37);
});

it('hands a sixteenth out at most, unless more is wanted at once, and less the less is left', () => {
  const none = { granted: 0, used: 0 };
  const alone = { limit: 1600, mine: none, wanted: 1, others: [], reported: 0 };
  assert.deepEqual(handOut(alone), { granted: 100, usedByAll: 0 });
  assert.equal(handOut({ ...alone, wanted: 500 }).granted, 500);
  assert.equal(handOut({ ...alone, others: [{ granted: 1560, used: 1560 }] }).granted, 10);
  assert.equal(handOut({ ...alone, others: [{ granted: 1599, used: 0 }] }).granted, 1);
  assert.equal(handOut({ ...alone, others: [{ granted: 1600, used: 0 }] }).granted, 0);
});

it('counts what was used without a slice', () => {
  const mine = { granted: 0, used: 0 };
  assert.deepEqual(handOut({ limit: 10, mine, wanted: 1, others: [], reported: 10 }), { granted: 0, usedByAll: 10 });
  const counted = { granted: 4, used: 4 };
  assert.deepEqual(handOut({ limit: 10, mine: counted, wanted: 9, others: [], reported: 4 }), {
    granted: 10,
    usedByAll: 4,
  });
});
