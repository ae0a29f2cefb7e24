import { decideNoted } from '../../packages/server/src/access/decide.ts';
import { type CedarRequest, judge, prepare } from '../../packages/server/src/access/policies/cedar.ts';
import {
  actionEntity,
  askerOf,
  describe,
  type PolicyPlaces,
} from '../../packages/server/src/access/policies/entities.ts';
import { readPolicy } from '../../packages/server/src/access/policies/policy.ts';
import { PolicyBook } from '../../packages/server/src/access/policies/policy-book.ts';
import { DecisionLog } from '../../packages/server/src/access/policies/record-decisions.ts';
import { RequestJudge } from '../../packages/server/src/access/policies/request-judge.ts';
import { NO_POLICIES } from '../../packages/server/src/access/judge.ts';
import type { Principal, Resource } from '../../packages/server/src/access/principal.ts';
import { systemClock } from '../../packages/server/src/clock.ts';
import { alternate, median, ownCpuSeconds, sized } from '../measure/alternate.ts';
import { compared, type Measured } from '../measure/figure.ts';

const PROJECTS = 10;
const SERVICES = 50;
const ACTION = 'secrets.reveal';
const NETWORK = '10.1.2.3';

const PLACES: PolicyPlaces = {
  isWhole: true,
  projects: () => Array.from({ length: PROJECTS }, (_, i) => `p${i}`),
  environments: () => Array.from({ length: PROJECTS }, (_, i) => `e${i}`),
  slugOf: (id) => `project-${id.slice(1)}`,
  projectOf: (id) => `p${id.slice(1)}`,
  environmentOf: () => ({ name: 'live', kind: 'production' }),
  projectNamed: (slug) => `p${slug.slice('project-'.length)}`,
  environmentNamed: () => undefined,
};

/**
 * Decisions per CPU-second: whether a service may reveal a secret, where every second policy permits it to one of 50
 * services at one path, and the others forbid it to all from elsewhere; against bare Cedar that is handed the finished
 * request and has all policies in one prepared set.
 */
export async function measureDecisions(policies: number): Promise<Measured> {
  const texts = Array.from({ length: policies }, (_, i) => [`pol_${i}`, textOf(i)] as const);
  const read = texts.map(([id, text]) => readPolicy({ id, text }));
  const book = new PolicyBook(PLACES).withPolicies(read, 'bench');
  prepare('bench, bare', Object.fromEntries(texts));
  const asked = Array.from({ length: SERVICES }, (_, i) => questionOf(i, policies));
  const requests = asked.map(({ principal, resource }) => requestOf(principal, resource));
  const log = new DecisionLog(undefined as never, systemClock);
  const rounds = sized(policies > 100 ? 40 : 100, 4);

  const ours = () =>
    asked.filter(({ principal, resource }) => {
      const own = new RequestJudge({ book, clock: systemClock, decided: log.note }, NETWORK);
      return decideNoted({ ...principal, judge: own }, ACTION, resource).allowed;
    }).length;
  const bare = () => requests.filter((request) => judge('bench, bare', request).allowed).length;
  if (ours() !== bare() || ours() === 0) throw new Error('the two decide differently, or allow nothing');

  const measure = async (work: () => number) => {
    const before = ownCpuSeconds();
    for (let round = 0; round < rounds; round++) work();
    return (rounds * SERVICES) / (ownCpuSeconds() - before);
  };
  const sides = { keyhold: () => measure(ours), cedar: () => measure(bare) };
  for (const warmUp of Object.values(sides)) await warmUp();
  const { keyhold, cedar } = await alternate(sides);
  return compared(`authorise-${policies}`, 'decisions per CPU-second', median(keyhold), median(cedar), [
    `of ${policies} policies, ${median(asked.map(({ principal, resource }) => near(book, principal, resource)))} could decide one question: Cedar is asked those`,
  ]);
}

/** Policies that name this service or everybody, this action, and this project or the installation. */
function near(book: PolicyBook, principal: Omit<Principal, 'judge'>, { project }: Resource): number {
  const found = book.anywhere({ ...principal, judge: NO_POLICIES }, ACTION);
  return found.filter((policy) => policy.project === null || PLACES.projectNamed(policy.project) === project).length;
}

function textOf(index: number): string {
  const [project, service] = [index % PROJECTS, index % SERVICES];
  return index % 2 === 0
    ? `permit(principal == Service::"tok_${service}", action == Action::"secrets.reveal",
        resource in Folder::"project-${project}/live/folder-${index}");`
    : `forbid(principal, action == Action::"secrets.reveal", resource in Folder::"project-${project}/live/folder-${index - 1}")
        unless { context.network.isInRange(ip("10.0.0.0/8")) };`;
}

function questionOf(index: number, policies: number): { principal: Omit<Principal, 'judge'>; resource: Resource } {
  const named = (index * 2) % policies;
  const place = { project: `p${named % PROJECTS}`, environment: `e${named % PROJECTS}` };
  const principal = { id: `tok_${named % SERVICES}`, kind: 'service' as const, grants: [] };
  return { principal, resource: { ...place, secret: `folder-${named}/main` } };
}

function requestOf(principal: Omit<Principal, 'judge'>, resource: Resource): CedarRequest {
  const { uid, parents } = askerOf({ ...principal, judge: NO_POLICIES }, resource);
  const described = describe(PLACES, resource);
  if (described === undefined) throw new Error('nowhere');
  return {
    ...{ principal: uid, action: ACTION, resource: described.uid },
    context: { network: NETWORK, at: new Date().toISOString(), production: true, approvals: 0 },
    entities: [{ uid, attrs: {}, parents }, actionEntity(ACTION), ...described.entities],
  };
}
