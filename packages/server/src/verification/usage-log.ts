import type { Json } from '@keyhold/protocol/canonical-json';
import type { Kysely } from 'kysely';
import type { Clock } from '../clock.ts';
import type { Database } from '../database/schema.ts';
import { holdersOf } from '../keys/usage.store.ts';
import type { Ledger } from '../ledger/ledger.ts';

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
}

/** Rows kept until they are entered; what exceeds it is told as a number, never lost silently. */
const MAX_KEPT = 100_000;
/** Of one entry: its personal part is read whole. */
const MAX_OF_ENTRY = 50;
const ENTRIES_AT_ONCE = 200;

/**
 * What keys were used for, entered each minute: by key, credential, network and verdict; and what was refused to
 * strangers, by environment. Single uses that a permission has entered one by one are among them.
 */
export class UsageLog {
  readonly #options: UsageLogOptions;
  #uses = new Map<string, CountedUse>();
  #denials = new Map<string, CountedDenial>();
  #uncounted = 0;
  #sinceMs: number;

  constructor(options: UsageLogOptions) {
    this.#options = options;
    this.#sinceMs = options.clock.wall();
  }

  add(uses: readonly CountedUse[], denials: readonly CountedDenial[]): void {
    for (const use of uses) this.#add(this.#uses, `${use.credential} ${use.network} ${use.code}`, use);
    for (const denial of denials) this.#add(this.#denials, `${denial.environment} ${denial.code}`, denial);
  }

  #add<T extends { readonly count: number }>(map: Map<string, T>, name: string, item: T): void {
    const known = map.get(name);
    if (known !== undefined) map.set(name, { ...known, count: known.count + item.count });
    else if (map.size < MAX_KEPT) map.set(name, item);
    else this.#uncounted += item.count;
  }

  /** Enters what was counted since the last time. What can't be entered now is entered the next time. */
  async flush(): Promise<void> {
    const [uses, denials, uncounted] = [this.#uses, this.#denials, this.#uncounted];
    const untilMs = this.#options.clock.wall();
    const window = { since: new Date(this.#sinceMs).toISOString(), until: new Date(untilMs).toISOString() };
    [this.#uses, this.#denials, this.#uncounted] = [new Map(), new Map(), 0];
    const drafts = [
      ...(await this.#ofKeys([...uses.values()], window)),
      ...ofEnvironments([...denials.values()], uncounted, window),
    ];
    this.#sinceMs = untilMs;
    for (let i = 0; i < drafts.length; i += ENTRIES_AT_ONCE) {
      const part = drafts.slice(i, i + ENTRIES_AT_ONCE);
      await Promise.all(part.map((draft) => this.#enter(draft)));
    }
  }

  async #enter({ uses, denials, ...draft }: Draft): Promise<void> {
    const entry = { ...draft, actor: 'system', evenWithoutChange: true as const };
    await this.#options
      .ledger()
      .record(entry, async () => null)
      .catch(() => this.add(uses, denials));
  }

  async #ofKeys(uses: readonly CountedUse[], window: Window): Promise<Draft[]> {
    const holders = await holdersOf(this.#options.reader, [...new Set(uses.map(({ credential }) => credential))]);
    const byKey = Map.groupBy(uses, ({ credential }) => holders.get(credential)?.key ?? '');
    const drafts: Draft[] = [];
    for (const [key, own] of byKey) {
      const holder = holders.get((own[0] as CountedUse).credential);
      if (holder === undefined) continue;
      for (let i = 0; i < own.length; i += MAX_OF_ENTRY) {
        const part = own.slice(i, i + MAX_OF_ENTRY);
        const side = { ...window, uses: part.map((use) => ({ ...use })) };
        const { project, environment, consumer } = holder;
        const names = { action: 'key.usage-counted', subject: key, project, environment, about: consumer };
        drafts.push({ ...names, side, uses: part, denials: [] });
      }
    }
    return drafts;
  }
}

interface Window {
  readonly since: string;
  readonly until: string;
}

interface Draft {
  readonly action: string;
  readonly subject: string;
  readonly project?: string;
  readonly environment?: string;
  readonly about: string;
  readonly side: Json;
  readonly uses: readonly CountedUse[];
  readonly denials: readonly CountedDenial[];
}

function ofEnvironments(denials: readonly CountedDenial[], uncounted: number, window: Window): Draft[] {
  const byEnvironment = Map.groupBy(denials, ({ environment }) => environment);
  return [...byEnvironment].map(([environment, own]) => {
    const subject = environment === '' ? 'unknown' : environment;
    const counts = Object.fromEntries(own.map(({ code, count }) => [code, count]));
    const side = { ...window, counts, ...(uncounted === 0 ? {} : { uncounted }) };
    return { action: 'requests.denied', subject, about: subject, side, uses: [], denials: own };
  });
}
