import assert from 'node:assert/strict';
import { it } from 'node:test';
import { asksMore } from './asks-more.ts';

const forbid = (condition: string, scope = 'principal, action == Action::"keys.issue", resource') =>
  `forbid(${scope}) ${condition};`;

it('a forbid that asks for more approvals, and is the same otherwise, lets nobody do more', () => {
  const one = forbid('unless { context.approvals >= 1 }');
  assert.ok(asksMore(one, forbid('unless { context.approvals >= 2 }')));
  assert.ok(asksMore(one, `// why\n${forbid('unless {context.approvals>=1}')}`));
  assert.ok(
    asksMore(
      forbid('unless { context.production == false || context.approvals >= 1 && principal in Role::"owner" }'),
      forbid('unless { context.production == false || context.approvals >= 3 && principal in Role::"owner" }'),
    ),
  );
});

it('whatever else is other may let somebody do more', () => {
  const two = forbid('unless { context.approvals >= 2 }');
  for (const [before, after] of [
    [two, forbid('unless { context.approvals >= 1 }')],
    [two, forbid('unless { context.approvals >= 10 }')],
    [two, forbid('unless { context.approvals > 2 }')],
    [two, forbid('when { context.approvals >= 3 }')],
    [two, forbid('unless { context.approvals >= 3 || context.production }')],
    [two, forbid('unless { context.approvals >= 3 }', 'principal, action == Action::"keys.read", resource')],
    [two, forbid('')],
    [forbid('when { context.approvals >= 2 }'), forbid('when { context.approvals >= 3 }')],
    [forbid('unless { !(context.approvals >= 2) }'), forbid('unless { !(context.approvals >= 3) }')],
    [forbid('unless { 2 >= context.approvals }'), forbid('unless { 3 >= context.approvals }')],
    [two.replace('forbid', 'permit'), two.replace('forbid', 'permit').replace('2', '3')],
    [two, 'no policy'],
  ] as const) {
    assert.ok(!asksMore(before, after), `${before} → ${after}`);
  }
});
