import type { Json } from '@keyhold/protocol/canonical-json';
import type { Kysely } from 'kysely';
import type { Clock } from '../clock.ts';
import type { Database } from '../database/schema.ts';
import { holdersOf } from '../keys/usage.store.ts';
import { CountedEntries } from '../ledger/counted-entries.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Random } from '../random.ts';

/** Uses of one credential from one network with one verdict. */
export interface CountedUse {
  readonly credential: string;
  readonly network: string | null;
  readonly code: string;
  readonly count: number;
}

export interface CountedDenial {
  readonly environment: string;
  readonly code: string;
  readonly count: number;
}

interface UsageLogOptions {
  readonly ledger: () => Ledger;
  readonly reader: Kysely<Database>;
  readonly clock: Clock;
  readonly random: Random;
}

/** Rows kept until they are entered; what exceeds it is told as a number, never lost silently. */
const MAX_KEPT = 100_000;
/** Of one entry: its personal part is read whole. */
const MAX_OF_ENTRY = 50;
const ENTRIES_AT_ONCE = 200;

/**
 * What keys were used for, entered each minute: an entry of each key and verdict, with credentials and networks in its
 * side; and what was refused to strangers, by environment and code. Single uses that a permission has entered one by one are among them.
 */
export class UsageLog {
  readonly #options: UsageLogOptions;
  readonly #entries: CountedEntries;
  #uses = new Map<string, CountedUse>();
  #denials = new Map<string, CountedDenial>();
  #uncounted = 0;
  #sinceMs: number;
  #flushing: Promise<unknown> = Promise.resolve();

  constructor(options: UsageLogOptions) {
    this.#options = options;
    this.#entries = new CountedEntries(options.ledger, options.random);
    this.#sinceMs = options.clock.wall();
  }

  /** @param uncounted how many more there were, which nobody could tell apart */
  add(uses: readonly CountedUse[], denials: readonly CountedDenial[], uncounted = 0): void {
    this.#uncounted += uncounted;
    for (const use of uses) this.#add(this.#uses, `${use.credential} ${use.network} ${use.code}`, use);
    for (const denial of denials) this.#add(this.#denials, `${denial.environment} ${denial.code}`, denial);
  }

  #add<T extends { readonly count: number }>(map: Map<string, T>, name: string, item: T): void {
    const known = map.get(name);
    if (known !== undefined) map.set(name, { ...known, count: known.count + item.count });
    else if (map.size < MAX_KEPT) map.set(name, item);
    else this.#uncounted += item.count;
  }

  /**
   * Enters what was counted since the last time, one run after another. What can't be entered now is the next time.
   * @returns whether all of it is entered
   */
  flush(): Promise<boolean> {
    const flushing = this.#flushing.catch(() => {}).then(() => this.#flush());
    this.#flushing = flushing;
    return flushing;
  }

  async #flush(): Promise<boolean> {
    if (!(await this.#entries.settle())) return false;
    const counted: Counted = {
      uses: [...this.#uses.values()],
      denials: [...this.#denials.values()],
      uncounted: this.#uncounted,
    };
    const [sinceMs, untilMs] = [this.#sinceMs, this.#options.clock.wall()];
    const window = { since: new Date(sinceMs).toISOString(), until: new Date(untilMs).toISOString() };
    [this.#uses, this.#denials, this.#uncounted] = [new Map(), new Map(), 0];
    let drafts: Draft[];
    try {
      drafts = await this.#draftsOf(counted, window);
    } catch (error) {
      this.#putBack(counted);
      throw error;
    }
    let kept = 0;
    for (let i = 0; i < drafts.length; i += ENTRIES_AT_ONCE) {
      const entered = await Promise.all(drafts.slice(i, i + ENTRIES_AT_ONCE).map((draft) => this.#enter(draft)));
      kept += entered.filter((one) => !one).length;
    }
    // What was not entered was counted since then.
    if (kept === 0) this.#sinceMs = untilMs;
    return kept === 0 && this.#entries.isSettled;
  }

  #putBack({ uses, denials, uncounted }: Counted): void {
    this.add(uses, denials, uncounted);
  }

  /** Whether it is entered, or will be; else it is kept. */
  async #enter({ counted, ...draft }: Draft): Promise<boolean> {
    const isTold = await this.#entries.enter({ ...draft, actor: 'system' });
    if (!isTold) this.#putBack(counted);
    return isTold;
  }

  async #draftsOf({ uses, denials, uncounted }: Counted, window: Window): Promise<Draft[]> {
    const holders = await holdersOf(this.#options.reader, [...new Set(uses.map(({ credential }) => credential))]);
    const known = uses.filter(({ credential }) => holders.has(credential));
    // Of a credential that is gone it can't be said whose it was.
    const unknown = uses.reduce((sum, { credential, count }) => sum + (holders.has(credential) ? 0 : count), uncounted);
    const drafts: Draft[] = [];
    // The verdict stands in the leaf: it can be looked for, and outlives what is erased of a consumer.
    const byVerdict = Map.groupBy(known, ({ credential, code }) => `${holders.get(credential)?.key} ${code}`);
    for (const own of byVerdict.values()) {
      const [{ credential, code }] = own as [CountedUse];
      const holder = holders.get(credential);
      if (holder === undefined) continue;
      for (let i = 0; i < own.length; i += MAX_OF_ENTRY) {
        const part = own.slice(i, i + MAX_OF_ENTRY);
        const side = { ...window, uses: part.map((use) => ({ ...use })) };
        const { key, project, environment, consumer } = holder;
        const names = { action: 'key.usage-counted', subject: key, code, project, environment, about: consumer };
        drafts.push({ ...names, side, counted: { uses: part, denials: [], uncounted: 0 } });
      }
    }
    return [...drafts, ...ofEnvironments(denials, window), ...ofUncounted(unknown, window)];
  }
}

interface Window {
  readonly since: string;
  readonly until: string;
}

/** What was counted, and how much of it could not be told apart. */
interface Counted {
  readonly uses: readonly CountedUse[];
  readonly denials: readonly CountedDenial[];
  readonly uncounted: number;
}

interface Draft {
  readonly action: string;
  readonly subject: string;
  readonly code?: string;
  readonly project?: string;
  readonly environment?: string;
  readonly about: string;
  readonly side: Json;
  /** What it says, to be kept where it can't be entered. */
  readonly counted: Counted;
}

function ofEnvironments(denials: readonly CountedDenial[], window: Window): Draft[] {
  return denials.map((denial) => {
    const { environment, code, count } = denial;
    const subject = environment === '' ? 'unknown' : environment;
    const counted = { uses: [], denials: [denial], uncounted: 0 };
    return { action: 'requests.denied', subject, code, about: subject, side: { ...window, count }, counted };
  });
}

/** Nobody's in particular: it is said of the whole. */
function ofUncounted(uncounted: number, window: Window): Draft[] {
  if (uncounted === 0) return [];
  const counted = { uses: [], denials: [], uncounted };
  return [
    { action: 'usage.uncounted', subject: 'system', about: 'system', side: { ...window, count: uncounted }, counted },
  ];
}
