import type { Json } from '@keyhold/protocol/canonical-json';
import type { Refusal } from '@keyhold/protocol/errors';
import type { Facts } from './facts.ts';

/** What a change says of itself before it happens; ids and codes only, except in `side`. */
export interface EntryDraft {
  /** `noun.verbed`, e.g. `key.revoked`. */
  readonly action: string;
  /** Id of the principal that acts, or `system`. */
  readonly actor: string;
  /** Id of what is acted on. */
  readonly subject: string;
  readonly project?: string | undefined;
  readonly environment?: string | undefined;
  readonly code?: string | undefined;
  /** Whatever must be erasable: addresses, free text. Never a secret. */
  readonly side?: Json | undefined;
  /** Whose data `side` is, where it isn't the actor's. */
  readonly about?: string | undefined;
  /** Rows that the change will touch, declared beforehand: they are locked in id order. */
  readonly locks?: readonly string[];
  /** Enter it even when no row changes: a use, a sign-in. */
  readonly evenWithoutChange?: true;
  readonly idempotency?: Idempotency | undefined;
  /** Asked right before the change, in its turn and its entry: what it refuses does not happen. */
  readonly guard?: (facts: Facts) => Promise<Refusal | null> | Refusal | null;
  /** Raises the epoch with this entry: an operator accepted a restore. */
  readonly acceptsEpoch?: number;
}

/** What an entry says of its caller, and what is asked within each change of his. */
export type Attributed = Pick<EntryDraft, 'actor' | 'side' | 'guard'>;

/** Makes a repeated call answer what the first one made. */
export interface Idempotency {
  readonly principal: string;
  readonly key: string;
  /** SHA-256 of the request; another request under the same key is refused. */
  readonly requestDigest: string;
}

/** A change that is durable, with its entry. */
export interface Recorded<T> {
  readonly value: T;
  /** Sequence of its entry; of the newest entry that touched the subject when nothing changed. */
  readonly sequence: number;
  /** True when an earlier call under the same idempotency key did it. */
  readonly repeated: boolean;
}
