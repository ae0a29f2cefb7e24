import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type State, STATES } from '@keyhold/protocol/state';
import fc from 'fast-check';
import { onEachDatabase } from '../testing/databases.ts';
import type { TestAnswer } from '../testing/installation.ts';
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

const STEPS = [
  'suspend',
  'resume',
  'revoke superseded',
  'revoke key_compromise',
  'destroy',
  'rotate',
  'rename',
  'reach its end',
] as const;
type Step = (typeof STEPS)[number];

/** What somebody decided of a key, and whether its time is over. */
interface Modelled {
  readonly state: State;
  readonly ended: boolean;
}

/** What a step leads to, read off the table above; null where it is refused. */
function model(key: Modelled, step: Step): Modelled | null {
  const { state } = key;
  const settled = state !== 'active' && state !== 'suspended';
  const alive = !settled && !key.ended;
  switch (step) {
    case 'suspend':
      return alive ? { ...key, state: 'suspended' } : null;
    case 'resume':
      return alive ? { ...key, state: 'active' } : null;
    case 'revoke superseded':
      return settled ? (state === 'destroyed' ? null : key) : { ...key, state: 'deactivated' };
    case 'revoke key_compromise':
      return state === 'destroyed' ? null : { ...key, state: 'compromised' };
    case 'destroy':
      return { ...key, state: 'destroyed' };
    case 'reach its end':
      return alive ? { ...key, ended: true } : null;
    default:
      return alive ? key : null;
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

  const perform = (keyId: string, step: Step) => {
    const { call } = shared().installation;
    const [verb, reason] = step.split(' ') as [string, string?];
    if (step === 'reach its end') return reachEnd(keyId);
    if (verb === 'rename') return call('PATCH', `/v1/keys/${keyId}`, { name: 'renamed' });
    const body = verb === 'revoke' ? { reason } : verb === 'rotate' ? { overlapSeconds: 60 } : {};
    return call('POST', `/v1/keys/${keyId}/${verb}`, body);
  };

  /** The nearest end that is not past already when it arrives, and lets time pass until then. */
  const reachEnd = async (keyId: string, withinMs = 100): Promise<TestAnswer> => {
    const end = Date.now() + withinMs;
    const answer = await shared().installation.call('PATCH', `/v1/keys/${keyId}`, { expiresAt: new Date(end) });
    if (answer.status === 400) return await reachEnd(keyId, 2 * withinMs);
    if (answer.status === 200) await new Promise((resolve) => setTimeout(resolve, end - Date.now() + 5));
    return answer;
  };

  it('is in the state of the table, refuses what the table refuses, and is decided so at once', async () => {
    const sequences = fc.array(fc.constantFrom(...STEPS), { minLength: 1, maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(sequences, async (sequence) => {
        const { keyId, secret } = await shared().market.issue();
        let key: Modelled = { state: 'active', ended: false };
        for (const step of sequence) {
          const { status, body } = await perform(keyId, step);
          const next = model(key, step);
          const when = `${step} when ${key.state}${key.ended ? ' and ended' : ''}`;
          if (next === null) assert.deepEqual([status, body.code], [409, 'ILLEGAL_TRANSITION'], when);
          else assert.ok(status < 300, `${when}: ${JSON.stringify(body)}`);
          key = next ?? key;
          const verdict = key.ended && key.state === 'active' ? 'EXPIRED' : VERDICTS[key.state];
          assert.equal(await shared().codeOf(secret), verdict, `after: ${when}`);
        }
        const alive = key.state === 'active' || key.state === 'suspended';
        const shown = alive && key.ended ? 'deactivated' : key.state;
        assert.equal((await shared().expect(200, 'GET', `/v1/keys/${keyId}`)).state, shown);
      }),
      { numRuns: 40 },
    );
  });
});
