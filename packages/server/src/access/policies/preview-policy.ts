import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { Gain, Preview, Replayed } from '@keyhold/protocol/operations/policies';
import type { Scope } from '@keyhold/protocol/state';
import type { Action } from '../authorise.ts';
import { decideAbout } from '../decide.ts';
import type { Decision } from '../judge.ts';
import { NO_POLICIES } from '../judge.ts';
import type { Opener } from '../opener.ts';
import type { RoleNamed } from '../people/person.ts';
import type { Principal, Resource } from '../principal.ts';
import type { Asked, DecisionLog } from './record-decisions.ts';
import { KEPT_MS } from './record-decisions.ts';
import { type KeptDecision, listDecisions } from './decisions.store.ts';
import { askerOf, describe, everyPlace, isOfProduction, type PolicyPlaces } from './entities.ts';
import { findPrincipals } from './find-principals.ts';
import { basisOf, findPolicyNamed } from './policies.store.ts';
import { isAbout, noPolicy, type Policy } from './policy.ts';
import { resourceTypesOf, TIGHTENING } from './vocabulary.ts';
import type { PolicyBook } from './policy-book.ts';
import { RequestJudge } from './request-judge.ts';
import { checkPolicy, type PolicyChange, type PolicyContext } from './save-policy.ts';

export interface PreviewContext extends PolicyContext {
  readonly book: PolicyBook;
  readonly decisions: DecisionLog;
}

const MAX_SHOWN = 200;
/** Decisions that one preview makes, before and after: a few seconds of them. */
const MAX_DECIDED = 20_000;
/** Decisions between two turns of others. */
const TURN = 50;
/** Id that a policy has in a preview which has none yet. */
const NEW = 'new';

/** Reads what is to be changed, or says what is wrong with it. */
export async function readChange(
  context: PreviewContext,
  { name, text, remove }: { readonly name?: string; readonly text?: string; readonly remove?: string },
): Promise<PolicyChange | Refusal> {
  const { book, reader } = context;
  if (remove !== undefined) {
    if (name !== undefined || text !== undefined)
      return refuse('INVALID_INPUT', 'Either name and text, or remove.', '/remove');
    const before = book.list().find(({ id }) => id === remove);
    return before === undefined ? noPolicy(remove) : { before, after: undefined };
  }
  if (name === undefined || text === undefined) return refuse('INVALID_INPUT', 'Give name and text.', '/text');
  const after = checkPolicy(text);
  if (isRefusal(after)) return after;
  const row = await findPolicyNamed(reader, name);
  return { before: book.list().find(({ id }) => id === row?.id), after: { ...after, id: row?.id ?? NEW } };
}

/** Who would gain and lose what, and which decisions of the last month would come out otherwise. */
export async function previewPolicy(
  context: PreviewContext,
  { before, after }: PolicyChange,
  mayReadNames: boolean,
): Promise<Preview> {
  const { book, reader } = context;
  const basis = await basisOf(reader);
  const others = book.list().filter(({ id }) => id !== before?.id);
  const [was, will] = [
    book.withPolicies([...others, ...(before === undefined ? [] : [before])], 'preview, before'),
    book.withPolicies([...others, ...(after === undefined ? [] : [after])], 'preview, after'),
  ];
  const changed = [before, after].filter((policy) => policy !== undefined);
  const compare = new Comparison(was, will);
  const found = await findGains(context, changed, compare);
  // Whoever owns a part of the installation does not read who there is in all of it.
  const gains = mayReadNames ? found : { ...found, gains: found.gains.map((gain) => ({ ...gain, name: '' })) };
  const replayed = await replay(context, changed, compare);
  const circumstantial = changed.some((policy) => policy.minds.circumstances);
  return { basis, ...gains, circumstantial, ...replayed };
}

/** Decides the same under two sets of policies. */
class Comparison {
  readonly #was: PolicyBook;
  readonly #will: PolicyBook;
  #made = 0;

  constructor(was: PolicyBook, will: PolicyBook) {
    [this.#was, this.#will] = [was, will];
  }

  /** Forgets how many were made. */
  restart(): void {
    this.#made = 0;
  }

  /** Whether this preview has made as many as it may. */
  get isFull(): boolean {
    return this.#made >= MAX_DECIDED;
  }

  /** What it is after the change, where it differs. */
  async differs(
    principal: Omit<Principal, 'judge'>,
    action: Action,
    resource: Resource,
    network: string,
    atMs: number,
    narrows = false,
  ): Promise<Decision | null> {
    if (++this.#made % TURN === 0) await new Promise(setImmediate);
    const under = (book: PolicyBook) => {
      const judge = new RequestJudge({ book, clock: fixed(atMs), decided: () => {} }, network);
      return decideAbout({ ...principal, judge }, action, resource, narrows);
    };
    const [before, after] = [under(this.#was), under(this.#will)];
    const isBound = principal.kind === 'service' && this.#was.hasPeople && mayBeCritical(action);
    const takes = isBound && isOfProduction(this.#was.places, resource);
    const [was, will] = [before, after].map(({ allowed, byName }) => allowed && (byName || !takes));
    if (before.allowed !== after.allowed) return after;
    return was === will ? null : { ...after, allowed: will === true };
  }
}

/** What services do in production only where a policy names them; some of it in some cases (`refuseUnnamed`). */
function mayBeCritical(action: Action): boolean {
  return !action.endsWith('.read') && !TIGHTENING.includes(action);
}

function fixed(atMs: number) {
  return { wall: () => atMs, monotonic: () => atMs, after: () => () => {} };
}

async function findGains(
  { reader, clock, places, book }: PreviewContext,
  changed: readonly Policy[],
  compare: Comparison,
): Promise<Pick<Preview, 'gains' | 'gainCount' | 'gainsWhole'>> {
  const nowMs = clock.wall();
  const gains: Gain[] = [];
  let gainCount = 0;
  compare.restart();
  for (const { principal, name } of await findPrincipals(reader, nowMs, NO_POLICIES, book.roleNamed)) {
    const asker = askerOf(principal, null);
    const about = changed.filter((policy) => isAbout(policy, asker));
    for (const action of new Set(about.flatMap(({ actions }) => actions))) {
      for (const resource of placesOf(places, about, action)) {
        if (compare.isFull) return { gains, gainCount, gainsWhole: false };
        const after = await compare.differs(principal, action, resource, '0.0.0.0', nowMs);
        if (after === null) continue;
        gainCount++;
        const { allowed, rule } = after;
        const place = placeName(places, resource);
        if (gains.length < MAX_SHOWN) gains.push({ principal: principal.id, name, action, place, allowed, rule });
      }
    }
  }
  return { gains, gainCount, gainsWhole: true };
}

/** Where the policies could matter: every place of theirs that the action is done at, and the paths that they name. */
function placesOf(places: PolicyPlaces, policies: readonly Policy[], action: Action): readonly Resource[] {
  const projects = policies.map(({ project }) => (project === null ? null : (places.projectNamed(project) ?? null)));
  const near = everyPlace(places).filter(({ project }) => projects.includes(null) || projects.includes(project));
  const named = policies.flatMap(({ resource }) => pathOf(places, resource) ?? []);
  const types = resourceTypesOf(action);
  return [...near, ...named].filter((resource) => types.includes(describe(places, resource)?.uid.type ?? ''));
}

/** The secret, or what stands for all in the folder, that a policy is about. */
function pathOf(places: PolicyPlaces, { is, in: within }: Policy['resource']): Resource | undefined {
  const uid = is ?? within;
  if (uid?.type !== 'Folder' && uid?.type !== 'Secret') return undefined;
  const [slug = '', name = '', ...path] = uid.id.split('/');
  const environment = places.environmentNamed(`${slug}/${name}`);
  if (environment === undefined) return undefined;
  const secret = [...path, ...(uid.type === 'Folder' ? ['*'] : [])].join('/');
  return { project: places.projectOf(environment), environment, secret };
}

function placeName(places: PolicyPlaces, resource: Resource): string {
  const described = describe(places, resource);
  if (described === undefined) return 'unknown';
  return described.uid.type === 'Installation' ? 'installation' : described.uid.id;
}

type Replay = Pick<Preview, 'replayed' | 'replayedCount' | 'looked' | 'lookedBackTo' | 'lookedWhole'>;

async function replay(
  { reader, clock, places, decisions, book }: PreviewContext,
  changed: readonly Policy[],
  compare: Comparison,
): Promise<Replay> {
  // What is counted so far belongs to the last month too.
  await decisions.flush();
  const from = clock.wall() - KEPT_MS;
  const actions = [...new Set(changed.flatMap((policy) => policy.actions))];
  const projects = new Set(changed.map(({ project }) => project));
  const [only] = projects.size === 1 ? projects : [null];
  const project = only == null ? null : (places.projectNamed(only) ?? null);
  const rows = await listDecisions(reader, { actions, project, from, limit: MAX_DECIDED + 1 });
  compare.restart();
  const minds = [...changed, ...book.list()].some((policy) => policy.minds.circumstances);
  const groups = gather(rows.slice(0, MAX_DECIDED), minds);
  const replayed: Replayed[] = [];
  let replayedCount = 0;
  for (const { row, count } of groups) {
    const { action, resource, principal, network, narrows } = askedAgain(row, book.roleNamed);
    const after = await compare.differs(principal, action, resource, network, row.first_at, narrows);
    if (after === null) continue;
    replayedCount++;
    if (replayed.length >= MAX_SHOWN) continue;
    const { allowed, rule } = after;
    const place = placeName(places, resource);
    const lastAt = new Date(row.last_at).toISOString();
    replayed.push({ principal: row.principal_id, action, place, count, lastAt, allowed, rule });
  }
  const oldest = rows.at(-1)?.first_at;
  return {
    ...{ replayed, replayedCount, looked: Math.min(rows.length, MAX_DECIDED) },
    lookedBackTo: oldest === undefined ? null : new Date(oldest).toISOString(),
    lookedWhole: rows.length <= MAX_DECIDED && decisions.dropped === 0,
  };
}

/** What differs only in when and where from it was asked is decided once, where that can't matter. */
function gather(rows: readonly KeptDecision[], minds: boolean): readonly { row: KeptDecision; count: number }[] {
  const groups = new Map<string, { row: KeptDecision; count: number }>();
  for (const row of rows) {
    const { network, ...asked } = JSON.parse(row.asked) as Asked;
    const { principal_id, action, project_id, environment_id, secret, id } = row;
    const key = JSON.stringify([principal_id, asked, action, project_id, environment_id, secret, minds ? id : null]);
    const known = groups.get(key);
    groups.set(key, { row: known?.row ?? row, count: (known?.count ?? 0) + Number(row.count) });
  }
  return [...groups.values()];
}

/** Whoever asked then, with what he held there. */
function askedAgain(row: KeptDecision, roleNamed: RoleNamed) {
  const { kind, parents, network, narrows = false } = JSON.parse(row.asked) as Asked;
  const openers = parents.flatMap(({ type, id }): Opener[] => {
    if (type === 'Workload') return [];
    return [type === 'Role' ? roleNamed(id) : (id as Scope)];
  });
  const workload = parents.find(({ type }) => type === 'Workload')?.id;
  const grants = openers.map((opener) => ({ opener, projects: null, environment: null, expiresAt: null }));
  const principal = { id: row.principal_id, kind, grants, ...(workload === undefined ? {} : { workload }) };
  const { project_id: project, environment_id: environment, secret } = row;
  const resource = { project, environment, ...(secret === null ? {} : { secret }) };
  return { principal, network, resource, narrows, action: row.action as Action };
}
