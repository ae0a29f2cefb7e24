import type { UsageReport } from '@keyhold/protocol/verification-messages';
import type { VerdictCode } from '@keyhold/protocol/verdict';
import type { ReplicaCredential, ReplicaKey } from './replica.ts';

/** Distinct credentials and keys counted between two reports; what exceeds it goes uncounted, never unlimited. */
const MAX_COUNTED = 20_000;
/** Items of one report frame, well below the frame's limit in bytes. */
const MAX_REPORTED = 4_000;

interface Use {
  count: number;
  lastAt: number;
  lastIp: string | null;
}

/** Counts uses and denials in memory; nothing is written on the way of a verification. */
export class Usage {
  readonly #uses = new Map<ReplicaCredential, Use>();
  readonly #quotas = new Set<ReplicaKey>();
  readonly #denials = new Map<string, Map<VerdictCode, number>>();
  readonly #tokens = new Set<string>();

  used(credential: ReplicaCredential, wallMs: number, clientIp: string | undefined): void {
    const use = this.#uses.get(credential);
    if (use !== undefined) {
      use.count++;
      use.lastAt = wallMs;
      use.lastIp = clientIp ?? null;
    } else if (this.#uses.size < MAX_COUNTED) {
      this.#uses.set(credential, { count: 1, lastAt: wallMs, lastIp: clientIp ?? null });
    }
    if (credential.key.quota !== null && this.#quotas.size < MAX_COUNTED) this.#quotas.add(credential.key);
  }

  denied(environment: string, code: VerdictCode): void {
    let codes = this.#denials.get(environment);
    if (codes === undefined) this.#denials.set(environment, (codes = new Map()));
    codes.set(code, (codes.get(code) ?? 0) + 1);
  }

  tokenUsed(id: string): void {
    if (this.#tokens.size < MAX_COUNTED) this.#tokens.add(id);
  }

  /** Everything counted since the last call, in frames; empty when there was nothing. */
  take(quotaOf: (key: ReplicaKey) => { periodStart: number; used: number }): UsageReport[] {
    const credentials = [...this.#uses].map(([{ id }, use]) => ({ id, ...use }));
    const counted = [...this.#quotas].filter(({ quota }) => quota !== null);
    const quotas = counted.map((key) => ({ key: key.id, ...quotaOf(key) }));
    const denials = [...this.#denials].flatMap(([environment, codes]) =>
      [...codes].map(([code, count]) => ({ environment, code, count })),
    );
    const reports: UsageReport[] = [];
    const rounds = Math.ceil(Math.max(credentials.length, quotas.length) / MAX_REPORTED);
    for (let i = 0; i < rounds; i++) {
      const [from, to] = [i * MAX_REPORTED, (i + 1) * MAX_REPORTED];
      reports.push({
        credentials: credentials.slice(from, to),
        quotas: quotas.slice(from, to),
        denials: [],
        tokens: [],
      });
    }
    if (denials.length > 0 || this.#tokens.size > 0) {
      reports.push({ credentials: [], quotas: [], denials, tokens: [...this.#tokens] });
    }
    this.#clear();
    return reports;
  }

  #clear(): void {
    this.#uses.clear();
    this.#quotas.clear();
    this.#denials.clear();
    this.#tokens.clear();
  }
}
