import assert from 'node:assert/strict';
import { it } from 'node:test';
import { SCOPES, type Scope } from '@keyhold/protocol/state';
import { ROLES, type Role } from '@keyhold/protocol/role';
import { pick, evaluatePlainly, type PlainRequest, randomPolicy, textOf } from '../../testing/random-policies.ts';
import { seededRandom } from '../../testing/seeded-random.ts';
import { ACTIONS, type Action, opens } from '../authorise.ts';
import { decide } from '../decide.ts';
import { covers, type Grant, type Principal, type Resource } from '../principal.ts';
import { judge, prepare, type Uid } from './cedar.ts';
import { actionEntity, askerOf, describe, everyPlace, type PolicyPlaces } from './entities.ts';
import { readPolicy } from './policy.ts';
import { PolicyBook } from './policy-book.ts';
import { RequestJudge } from './request-judge.ts';
import { GOVERNED, TIGHTENING } from './vocabulary.ts';

const SETS = Number(process.env['KEYHOLD_POLICY_SETS'] ?? 2_000);
const REQUESTS = 5;
const SEED = 20_261_128;

/** Two projects with an environment of production and one for testing each. */
const PLACES: PolicyPlaces = {
  isWhole: true,
  projects: () => ['p1', 'p2'],
  environments: () => ['e1', 'e2', 'e3', 'e4'],
  slugOf: (id) => ({ p1: 'market', p2: 'other' })[id],
  projectOf: (id) => (id === 'e1' || id === 'e2' ? 'p1' : 'p2'),
  environmentOf: (id) => {
    const isLive = id === 'e1' || id === 'e3';
    return { name: isLive ? 'live' : 'test', kind: isLive ? 'production' : 'testing' };
  },
  projectNamed: (slug) => ({ market: 'p1', other: 'p2' })[slug],
  environmentNamed: () => undefined,
};
const PATHS = ['plain', 'binance/main', 'binance/deep/er', 'kraken/main'];
const RESOURCES: readonly Resource[] = [
  ...everyPlace(PLACES),
  ...PLACES.environments().flatMap((environment) =>
    PATHS.map((secret) => ({ project: PLACES.projectOf(environment), environment, secret })),
  ),
];
const NAMES = {
  principals: ['u1', 'u2', 'u3'].flatMap((id) => [
    { type: 'Person', id },
    { type: 'Service', id },
  ]),
  parents: [
    ...ROLES.map((id) => ({ type: 'Role', id })),
    ...SCOPES.map((id) => ({ type: 'Scope', id })),
    { type: 'Workload', id: 'w1' },
  ],
  resources: RESOURCES.map((resource) => around(resource)[0] as Uid).concat([
    { type: 'Folder', id: 'market/live/binance' },
    { type: 'Folder', id: 'other/test/binance/deep' },
  ]),
};

/** Itself, and all that it lies in. */
function around(resource: Resource): readonly Uid[] {
  return describe(PLACES, resource)?.entities.map(({ uid }) => uid) ?? [];
}

type Dice = () => number;

function randomPrincipal(dice: Dice): Omit<Principal, 'judge'> {
  const kind = dice() < 0.5 ? 'person' : 'service';
  const openers: readonly (Role | Scope)[] = kind === 'person' ? ROLES : SCOPES;
  const grants = Array.from({ length: Math.floor(dice() * 3) }, (): Grant => {
    const at = pick(dice, everyPlace(PLACES));
    const projects = at.project === null || at.environment !== null ? null : [at.project];
    return { opener: pick(dice, openers), projects, environment: at.environment, expiresAt: null };
  });
  const workload = kind === 'service' && dice() < 0.3 ? { workload: 'w1' } : {};
  return { id: pick(dice, ['u1', 'u2', 'u3']), kind, grants, ...workload };
}

it('decisions are those of a second evaluator, and of Cedar with all policies and roles in one set', (t) => {
  const random = seededRandom(SEED);
  const dice: Dice = () => random();
  const counts = { forbid: 0, permit: 0, none: 0 };
  let bare = 0;
  for (let set = 0; set < SETS; set++) {
    // Few at a time, so that policies meet.
    const actions = Array.from({ length: 6 }, () => pick(dice, GOVERNED));
    const names = { ...NAMES, actions };
    const policies = Array.from({ length: 1 + Math.floor(dice() * 30) }, () => randomPolicy(dice, names));
    const texts = policies.map(textOf);
    const read = texts.map((text, i) => readPolicy({ id: `pol_${String(i).padStart(2, '0')}`, text }));
    const book = new PolicyBook(PLACES).withPolicies(read, 'engine test');
    for (let i = 0; i < REQUESTS; i++) {
      const asking = randomPrincipal(dice);
      const [resource, action] = [pick(dice, RESOURCES), pick(dice, dice() < 0.9 ? actions : GOVERNED)];
      const network = pick(dice, ['10.1.2.3', '192.0.2.7', '203.0.113.9', '::ffff:10.1.2.3', '2001:db8::1']);
      const atMs = Date.parse(pick(dice, ['2025-03-01', '2026-03-01', '2026-09-01', '2028-01-01']));
      const circumstances = { network, atMs, approvals: Math.floor(dice() * 4) };
      const principal: Principal = { ...asking, judge: judgeOf(book, circumstances) };
      const told = `set ${set}, request ${i}: ${JSON.stringify({ asking, action, resource, circumstances })}\n${texts.join('\n')}`;
      const expected = evaluatePlainly(policies, plainly(principal, action, resource, circumstances));
      const ruled = principal.judge.rule(principal, action, resource)?.effect ?? null;
      assert.equal(ruled, expected, told);
      counts[expected ?? 'none']++;
      const { allowed } = decide(principal, action, resource);
      const granted = asking.grants.some((grant) => opens(grant.opener, action) && covers(grant, resource));
      assert.equal(allowed, expected === 'permit' || (expected === null && granted), told);
      if (set % 10 === 0) {
        assert.equal(allowed, cedarAlone(texts, principal, action, resource, circumstances), told);
        bare++;
      }
    }
  }
  t.diagnostic(`${SETS} random policy sets, ${SETS * REQUESTS} decisions, seed ${SEED}: ${JSON.stringify(counts)}`);
  t.diagnostic(`${bare} of them by Cedar alone, with roles and scopes as policies`);
  assert.ok(counts.forbid > SETS / 10 && counts.permit > SETS / 10 && counts.none > SETS / 10);
});

interface Fixed {
  readonly network: string;
  readonly atMs: number;
  readonly approvals: number;
}

/** One request's judge, but for how many approved. */
function judgeOf(book: PolicyBook, circumstances: Fixed) {
  const clock = { wall: () => circumstances.atMs, monotonic: () => 0, after: () => () => {} };
  const own = new RequestJudge({ book, clock, decided: () => {} }, circumstances.network);
  own.rule = (principal, action, resource) => book.rule(principal, action, resource, circumstances);
  return own;
}

function plainly(principal: Principal, action: Action, resource: Resource, circumstances: Fixed): PlainRequest {
  const { uid, parents } = askerOf(principal, resource);
  const plain = circumstances.network.replace('::ffff:', '');
  return {
    ...{ principal: [uid, ...parents], action, resource: around(resource) },
    production: describe(PLACES, resource)?.production ?? true,
    circumstances: { ...circumstances, network: plain },
  };
}

/** Every policy, every role and scope as one more, nothing chosen beforehand. */
function cedarAlone(texts: readonly string[], principal: Principal, action: Action, resource: Resource, at: Fixed) {
  const own = texts.map((text, i): [string, string] => [`own ${i}`, text]);
  const granted = [...ROLES, ...SCOPES].map((opener): [string, string] => {
    const type = (ROLES as readonly string[]).includes(opener) ? 'Role' : 'Scope';
    const actions = ACTIONS.filter((one) => opens(opener, one)).map((one) => `Action::"${one}"`);
    return [opener, `permit(principal in ${type}::"${opener}", action in [${actions.join(', ')}], resource);`];
  });
  // Taking away is forbidden to nobody.
  const kept = TIGHTENING.includes(action) ? own.filter(([, text]) => text.startsWith('permit')) : own;
  prepare('engine test, alone', Object.fromEntries([...kept, ...granted]));
  const { uid, parents } = askerOf(principal, resource);
  const { uid: where, entities, production } = describe(PLACES, resource) ?? assert.fail('nowhere');
  return judge('engine test, alone', {
    ...{ principal: uid, action, resource: where },
    context: {
      network: at.network.replace('::ffff:', ''),
      at: new Date(at.atMs).toISOString(),
      production,
      approvals: at.approvals,
    },
    entities: [{ uid, attrs: {}, parents }, actionEntity(action), ...entities],
  }).allowed;
}
