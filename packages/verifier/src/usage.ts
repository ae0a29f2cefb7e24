import { MAX_BROKEN, MAX_USES, type UsageReport } from '@keyhold/protocol/verification-messages';
import type { VerdictCode } from '@keyhold/protocol/verdict';
import { networkOf, readableAddress } from './networks.ts';
import type { ReplicaCredential } from './replica.ts';
import { cutReports } from './usage-frames.ts';

/** Distinct credentials and keys told apart between two reports; what exceeds it is a number alone, never unlimited. */
const MAX_COUNTED = 20_000;
/** Bits of a place among those counted; a note has the number of the report above them. */
const PLACE_BITS = 15;
const PLACE_MASK = (1 << PLACE_BITS) - 1;
const LAST_REPORT = (1 << (32 - PLACE_BITS)) - 1;
/** Networks of one credential that are told apart in one report; more are counted together. */
const MAX_NETWORKS = 16;

/** Counts uses and denials in memory; nothing is written on the way of a verification. */
export class Usage {
  /**
   * Columns of what was used since the last report. A credential notes its place there, with the number of the report,
   * so that nothing has to be looked at to know whether the note is of now.
   */
  #ids: string[] = [];
  readonly #counts = new Uint32Array(MAX_COUNTED);
  readonly #lastAt = new Float64Array(MAX_COUNTED);
  /** Empty where there was no address, or one that can't be read. */
  #lastIps: string[] = [];
  #report = 1;
  /** Ids of keys. */
  readonly #quotas = new Set<string>();
  /** Count at which the address changed last. */
  readonly #movedAt = new Uint32Array(MAX_COUNTED);
  /** By place, where there was more than one address. */
  readonly #networks = new Map<number, Map<string | null, number>>();
  readonly #refused = new Map<string, { id: string; code: VerdictCode; network: string | null; count: number }>();
  readonly #denials = new Map<string, Map<VerdictCode, number>>();
  readonly #tokens = new Set<string>();
  readonly #broken = new Set<string>();
  /** Uses and refusals that were past a bound. */
  #uncounted = 0;

  used(credential: ReplicaCredential, wallMs: number, clientIp = ''): void {
    const { tally } = credential;
    const place = tally & PLACE_MASK;
    // The number of a report comes again after a day and a half, and with it a note of then.
    if (tally >>> PLACE_BITS === this.#report && this.#ids[place] === credential.id) {
      this.#counts[place] = (this.#counts[place] as number) + 1;
      this.#lastAt[place] = wallMs;
      // Mostly the same: writing it would give the collector work.
      if (this.#lastIps[place] !== clientIp) this.#moved(place, clientIp);
    } else if (this.#ids.length < MAX_COUNTED) this.#usedFirst(credential, wallMs, clientIp);
    else this.#uncounted++;
    const { key } = credential;
    if (key.quota !== null && this.#quotas.size < MAX_COUNTED) this.#quotas.add(key.id);
  }

  /** What was counted so far came from the address before. */
  #moved(place: number, clientIp: string): void {
    const now = (this.#counts[place] as number) - 1;
    this.#addRun(place, now - (this.#movedAt[place] as number));
    this.#movedAt[place] = now;
    this.#lastIps[place] = readableAddress(clientIp) ?? '';
  }

  #addRun(place: number, count: number): void {
    const networks = this.#networks.get(place) ?? new Map<string | null, number>();
    this.#networks.set(place, networks);
    const network = networkOf(this.#lastIps[place] as string);
    const kept = networks.has(network) || networks.size < MAX_NETWORKS ? network : null;
    networks.set(kept, (networks.get(kept) ?? 0) + count);
  }

  #usedFirst(credential: ReplicaCredential, wallMs: number, clientIp: string): void {
    const place = this.#ids.push(credential.id) - 1;
    this.#lastIps.push(readableAddress(clientIp) ?? '');
    this.#counts[place] = 1;
    this.#movedAt[place] = 0;
    this.#lastAt[place] = wallMs;
    credential.tally = (this.#report << PLACE_BITS) | place;
  }

  /** @param credentialId of the credential, where it is known whose it was */
  denied(environment: string, code: VerdictCode, credentialId?: string, clientIp = ''): void {
    if (credentialId !== undefined) this.#refuse(credentialId, code, clientIp);
    let codes = this.#denials.get(environment);
    if (codes === undefined) this.#denials.set(environment, (codes = new Map()));
    codes.set(code, (codes.get(code) ?? 0) + 1);
  }

  #refuse(id: string, code: VerdictCode, clientIp: string): void {
    const network = networkOf(clientIp);
    const name = `${id} ${code} ${network}`;
    const known = this.#refused.get(name);
    if (known !== undefined) known.count++;
    else if (this.#refused.size < MAX_COUNTED) this.#refused.set(name, { id, code, network, count: 1 });
    else this.#uncounted++;
  }

  /** A secret that does not open where it lies; told once a report. */
  foundBroken(id: string): void {
    if (this.#broken.size < MAX_BROKEN) this.#broken.add(id);
  }

  tokenUsed(id: string): void {
    if (this.#tokens.size < MAX_COUNTED) this.#tokens.add(id);
  }

  /**
   * Everything counted since the last call, in reports that each fit into a frame; empty when there was nothing.
   * @param quotaOf by a key's id; null when it has no quota any more
   */
  take(quotaOf: (key: string) => { periodStart: number; used: number } | null): UsageReport[] {
    const credentials = this.#ids.map((id, place) => ({
      id,
      count: atMost(this.#counts[place] as number),
      lastAt: this.#lastAt[place] as number,
      lastIp: this.#lastIps[place] || null,
      networks: this.#networksOf(place),
    }));
    const quotas = [...this.#quotas].flatMap((key) => {
      const quota = quotaOf(key);
      return quota === null ? [] : { key, ...quota };
    });
    const denials = [...this.#denials].flatMap(([environment, codes]) =>
      [...codes].map(([code, count]) => ({ environment, code, count: atMost(count) })),
    );
    const refused = [...this.#refused.values()].map((one) => ({ ...one, count: atMost(one.count) }));
    const [tokens, broken] = [[...this.#tokens], [...this.#broken]];
    const reports = cutReports({ credentials, quotas, denials, refused, tokens, broken });
    // Said only where there is something: a control plane that does not know it yet reads the rest item by item.
    const last = reports.at(-1);
    if (last !== undefined && this.#uncounted > 0) last.uncounted = atMost(this.#uncounted);
    this.#clear();
    return reports;
  }

  /** Where the uses came from, by network. */
  #networksOf(place: number): { network: string | null; count: number }[] {
    const moved = this.#networks.get(place);
    const last = (this.#counts[place] as number) - (this.#movedAt[place] as number);
    if (moved === undefined) return [{ network: networkOf(this.#lastIps[place] as string), count: atMost(last) }];
    this.#addRun(place, last);
    return [...moved].map(([network, count]) => ({ network, count: atMost(count) }));
  }

  #clear(): void {
    this.#report = this.#report === LAST_REPORT ? 1 : this.#report + 1;
    this.#ids = [];
    this.#lastIps = [];
    this.#quotas.clear();
    this.#networks.clear();
    this.#refused.clear();
    this.#denials.clear();
    this.#tokens.clear();
    this.#broken.clear();
    this.#uncounted = 0;
  }
}

/** Counts pile up while there is nobody to report to. */
function atMost(count: number): number {
  return Math.min(count, MAX_USES);
}
