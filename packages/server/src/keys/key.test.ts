import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type State, STATES } from '@keyhold/protocol/state';
import fc from 'fast-check';
import { onEachDatabase } from '../testing/databases.ts';
import { shareMarket } from '../testing/shared-market.ts';
import { mayBecome, stateAt, TRANSITIONS } from './key.ts';

/**
 * NIST SP 800-57 part 1 rev. 5 §7, figure 3, with ours beside: suspension ends where time puts the key, and a key
 * that was not yet active may be withdrawn. Written by hand here, so that the table is not compared with itself.
 */
const NIST: Readonly<Record<State, string>> = {
  'pre-active': 'active suspended deactivated compromised destroyed',
  active: 'suspended deactivated compromised destroyed',
  suspended: 'pre-active active deactivated compromised destroyed',
  deactivated: 'compromised destroyed',
  compromised: 'destroyed',
  destroyed: '',
};

/** `pre-active` is what time makes of `active`; it is never stored. */
const STORED = STATES.filter((state) => state !== 'pre-active');

describe('the transition table', () => {
  it('allows what NIST SP 800-57 allows and nothing else', () => {
    for (const from of STATES) {
      for (const to of STATES) assert.equal(mayBecome(from, to), NIST[from].split(' ').includes(to), `${from} → ${to}`);
    }
  });

  it('never leads from dead to alive, by any path', () => {
    const reach = (from: State, seen = new Set<State>()): Set<State> => {
      for (const to of TRANSITIONS[from]) if (!seen.has(to)) reach(to, seen.add(to));
      return seen;
    };
    for (const dead of ['deactivated', 'compromised', 'destroyed'] as const) {
      for (const alive of ['pre-active', 'active', 'suspended'] as const) assert.equal(reach(dead).has(alive), false);
    }
  });

  it('makes no living key of a dead one by letting time pass', () => {
    const times = fc.option(fc.integer({ min: 0, max: 20 }));
    fc.assert(
      fc.property(
        fc.constantFrom(...STORED),
        times,
        times,
        fc.integer({ min: 0, max: 20 }),
        (state, start, end, now) => {
          const shown = stateAt({ state, starts_at: start, expires_at: end }, now);
          if (state === 'deactivated' || state === 'compromised' || state === 'destroyed') assert.equal(shown, state);
          if (end !== null && now >= end) assert.equal(['pre-active', 'active', 'suspended'].includes(shown), false);
          if (shown === 'active') assert.ok((start === null || start <= now) && (end === null || now < end));
        },
      ),
    );
  });
});

type Step = 'suspend' | 'resume' | 'revoke superseded' | 'revoke key_compromise' | 'destroy' | 'rotate' | 'rename';

/** What a step leads to from each state, read off the table above; null where it is refused. */
function model(state: State, step: Step): State | null {
  const alive = state === 'active' || state === 'suspended';
  switch (step) {
    case 'suspend':
      return alive ? 'suspended' : null;
    case 'resume':
      return alive ? 'active' : null;
    case 'revoke superseded':
      return alive ? 'deactivated' : state === 'destroyed' ? null : state;
    case 'revoke key_compromise':
      return state === 'destroyed' ? null : 'compromised';
    case 'destroy':
      return 'destroyed';
    default:
      return alive ? state : null;
  }
}

const VERDICTS: Partial<Record<State, string>> = {
  active: 'VALID',
  suspended: 'SUSPENDED',
  deactivated: 'REVOKED',
  compromised: 'REVOKED',
  destroyed: 'NOT_FOUND',
};

onEachDatabase('a key under any sequence of operations', (createPlace) => {
  const shared = shareMarket(createPlace);
  const steps = fc.constantFrom<Step>(
    'suspend',
    'resume',
    'revoke superseded',
    'revoke key_compromise',
    'destroy',
    'rotate',
    'rename',
  );

  const perform = (keyId: string, step: Step) => {
    const { call } = shared().installation;
    const [verb, reason] = step.split(' ') as [string, string?];
    if (verb === 'rename') return call('PATCH', `/v1/keys/${keyId}`, { name: 'renamed' });
    const body = verb === 'revoke' ? { reason } : verb === 'rotate' ? { overlapSeconds: 60 } : {};
    return call('POST', `/v1/keys/${keyId}/${verb}`, body);
  };

  it('is in the state of the table, refuses what the table refuses, and is decided so at once', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(steps, { minLength: 1, maxLength: 8 }), async (sequence) => {
        const { keyId, secret } = await shared().market.issue();
        let state: State = 'active';
        for (const step of sequence) {
          const { status, body } = await perform(keyId, step);
          const next = model(state, step);
          if (next === null)
            assert.deepEqual([status, body.code], [409, 'ILLEGAL_TRANSITION'], `${step} when ${state}`);
          else assert.ok(status < 300, `${step} when ${state}: ${JSON.stringify(body)}`);
          state = next ?? state;
          assert.equal(await shared().codeOf(secret), VERDICTS[state], `${step} led to ${state}`);
        }
        assert.equal((await shared().expect(200, 'GET', `/v1/keys/${keyId}`)).state, state);
      }),
      { numRuns: 40 },
    );
  });
});
