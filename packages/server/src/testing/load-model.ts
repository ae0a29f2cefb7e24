import type { TestAnswer } from './installation.ts';

export type LoadState = 'active' | 'suspended' | 'revoked';

/** A key as its client knows it from the replies that arrived. */
export interface LoadKey {
  readonly id: string;
  readonly secrets: { readonly secret: string; ended: boolean }[];
  /** As last acknowledged. */
  state: LoadState;
  /** What was asked for since and not answered: it may have happened. */
  unanswered: LoadState[];
}

/** What the server may answer when it can't serve: refusals that say so. */
const TRY_LATER = new Set(['STORE_UNAVAILABLE', 'OVERLOADED', 'STOPPING']);

/** What clients were promised, and each promise that was broken. */
export class LoadModel {
  readonly keys = new Map<string, LoadKey>();
  readonly secrets: string[] = [];
  readonly violations: string[] = [];
  /** Acknowledged changes by `action subject`, to be found in the log. */
  readonly acknowledged = new Map<string, number>();
  readonly counts = { acknowledged: 0, refused: 0, unanswered: 0, verified: 0, accepted: 0, acceptedNever: 0 };
  readonly #keyOf = new Map<string, LoadKey>();

  issued(id: string, secret: string): LoadKey {
    const key: LoadKey = { id, secrets: [], state: 'active', unanswered: [] };
    this.keys.set(id, key);
    this.#add(key, secret);
    this.#acknowledge('key.issued', key);
    return key;
  }

  revoked(key: LoadKey, repeated: boolean): void {
    key.state = 'revoked';
    key.unanswered = [];
    this.#acknowledge(repeated ? null : 'key.revoked', key);
  }

  suspended(key: LoadKey): void {
    key.state = 'suspended';
    key.unanswered = [];
    this.#acknowledge('key.suspended', key);
  }

  resuming(key: LoadKey): void {
    key.unanswered.push('active');
  }

  resumed(key: LoadKey): void {
    key.state = 'active';
    key.unanswered = [];
    this.#acknowledge('key.resumed', key);
  }

  rotated(key: LoadKey, secret: string, withOverlap: boolean): void {
    if (!withOverlap) for (const old of key.secrets) old.ended = true;
    key.unanswered = [];
    this.#add(key, secret);
    this.#acknowledge('key.rotated', key);
  }

  /** True when its end was acknowledged and nobody has asked to give it back since. */
  isTakenAway(secret: string): boolean {
    const key = this.#keyOf.get(secret) as LoadKey;
    if (key.secrets.some((other) => other.secret === secret && other.ended)) return true;
    return key.state === 'revoked' || (key.state === 'suspended' && !key.unanswered.includes('active'));
  }

  /** Takes a verdict on a secret; false when there was none. */
  verified(secret: string, takenAway: boolean, answer: TestAnswer | null): boolean {
    if (answer === null || isTryLater(answer)) return false;
    if (answer.status !== 200) {
      this.violations.push(`verify answered ${answer.status}: ${JSON.stringify(answer.body)}`);
      return false;
    }
    this.counts.verified++;
    if (answer.body.valid) this.counts.accepted++;
    if (takenAway) this.counts.acceptedNever++;
    if (takenAway && answer.body.valid) {
      const key = this.#keyOf.get(secret) as LoadKey;
      this.violations.push(`${key.id} (${key.state}) was accepted after it was taken away`);
    }
    return true;
  }

  /** The body of an acknowledgement, or null when the change was not acknowledged. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  answered(path: string, expected: number, answer: TestAnswer | null): any {
    if (answer?.status === expected) return answer.body ?? {};
    if (answer === null) this.counts.unanswered++;
    else if (isTryLater(answer)) this.counts.refused++;
    else this.violations.push(`${path} answered ${answer.status}: ${JSON.stringify(answer.body)}`);
    return null;
  }

  #add(key: LoadKey, secret: string): void {
    key.secrets.push({ secret, ended: false });
    this.secrets.push(secret);
    this.#keyOf.set(secret, key);
  }

  #acknowledge(action: string | null, { id }: LoadKey): void {
    this.counts.acknowledged++;
    if (action === null) return;
    const name = `${action} ${id}`;
    this.acknowledged.set(name, (this.acknowledged.get(name) ?? 0) + 1);
  }
}

/** A 503 with all that DESIGN promises of it; one that lacks something is no such answer. */
function isTryLater({ status, body, headers }: TestAnswer): boolean {
  return (
    status === 503 &&
    TRY_LATER.has(body?.code) &&
    headers.get('retry-after') !== null &&
    headers.get('content-type')?.startsWith('application/problem+json') === true
  );
}
