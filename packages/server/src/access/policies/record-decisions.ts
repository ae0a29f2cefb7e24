import { hash } from 'node:crypto';
import type { Clock } from '../../clock.ts';
import type { Scratch } from '../../database/scratch.ts';
import type { Judged } from '../judge.ts';
import { forgetDecisions, forgetDecisionsOf, keepDecisions, type KeptDecision } from './decisions.store.ts';
import { nameOf } from '../opener.ts';
import { covers } from '../principal.ts';
import { askerOf } from './entities.ts';
import type { Uid } from './cedar.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
export const KEPT_MS = 31 * 24 * HOUR_MS;
/** Apart from each other, between two times that they are kept. */
const MAX_WAITING = 5_000;
/** Of one caller: nobody pushes out what others did. */
const MAX_WAITING_OF_ONE = 500;
const MAX_KEPT = 500_000;

/** Counted on until it is kept. */
type Counted = KeptDecision & { last_at: number; count: number };

/** Who asked, as policies saw him. */
export interface Asked {
  readonly kind: 'person' | 'service';
  /** What he held there, or comes from. */
  readonly parents: readonly Uid[];
  readonly network: string;
  /** It took away and gave nothing. */
  readonly narrows?: boolean;
}

/**
 * What was decided, counted by the hour: enough to decide it again under other policies. It is no log of what was done
 * (the ledger is): what was counted in the last seconds before a crash is lost.
 */
export class DecisionLog {
  readonly #scratch: Scratch;
  readonly #clock: Clock;
  #waiting = new Map<string, Counted>();
  #ofOne = new Map<string, number>();
  /** Decisions that were not kept since the start: there were too many. */
  dropped = 0;

  constructor(scratch: Scratch, clock: Clock) {
    this.#scratch = scratch;
    this.#clock = clock;
  }

  readonly note = (judged: Judged, network: string, atMs: number): void => {
    const { principal, action, resource, decision, isThere, narrows = false, isShown = false } = judged;
    // Whoever guesses paths fills nothing with them; what is found is decided there again.
    if (isThere === false) return;
    // What lists show is counted by the day: they show many places, again and again.
    const hour = atMs - (atMs % (isShown ? DAY_MS : HOUR_MS));
    const { project, environment, secret = null } = resource;
    const { allowed, rule } = decision;
    const held = principal.grants.filter((grant) => covers(grant, resource)).map(({ opener }) => nameOf(opener));
    const about = [hour, principal.id, network, action, project, environment, allowed, rule, secret];
    const key = `${held.join(' ')} ${about.join(' ')}${narrows ? ' narrows' : ''}${isShown ? ' shown' : ''}`;
    const known = this.#waiting.get(key);
    if (known !== undefined) {
      known.last_at = atMs;
      known.count++;
      return;
    }
    // Whoever reads a long list loses nothing of what he does meanwhile.
    const of = isShown ? `${principal.id} shown` : principal.id;
    const own = this.#ofOne.get(of) ?? 0;
    if (own >= MAX_WAITING_OF_ONE || this.#waiting.size >= MAX_WAITING) {
      this.dropped++;
      return;
    }
    this.#ofOne.set(of, own + 1);
    const { parents } = askerOf(principal, resource);
    const asked: Asked = { kind: principal.kind, parents, network, ...(narrows ? { narrows } : {}) };
    this.#waiting.set(key, {
      id: hash('sha256', key, 'hex'),
      ...{ hour, principal_id: principal.id, asked: JSON.stringify(asked), action },
      ...{ project_id: project, environment_id: environment, secret, allowed: allowed ? 1 : 0, rule },
      ...{ first_at: atMs, last_at: atMs, count: 1 },
    });
  };

  /** Keeps what was counted. */
  async flush(): Promise<void> {
    const rows = [...this.#waiting.values()];
    if (rows.length === 0) return;
    [this.#waiting, this.#ofOne] = [new Map(), new Map()];
    await this.#scratch.write((tables) => keepDecisions(tables, rows));
  }

  /** Forgets all that somebody asked. */
  async forgetOf(principal: string): Promise<void> {
    await this.flush();
    await this.#scratch.write((tables) => forgetDecisionsOf(tables, principal));
  }

  /** Forgets what is older than a month, and the oldest of too many. */
  async forget(): Promise<void> {
    const before = this.#clock.wall() - KEPT_MS;
    await this.#scratch.write((tables) => forgetDecisions(tables, before, MAX_KEPT));
  }
}
