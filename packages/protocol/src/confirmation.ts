import type { FieldLine } from './dialects/dialect.ts';

/**
 * Field of a request that a command line sends again once its person has confirmed it: the `confirmation` of the refusal
 * that it got first.
 */
export const CONFIRMATION_HEADER = 'keyhold-confirmation';

/** A request as it came, byte for byte, for whoever confirmed just this one. */
export interface SentRequest {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  readonly headers: readonly FieldLine[];
  readonly body: Uint8Array;
  /** Address of the peer. */
  readonly ip: string;
  /** It is kept nowhere. */
  readonly carriesSecret: boolean;
  /** What a passkey signs over it stays in the log. */
  readonly keepsSignature: boolean;
}

/**
 * Field of a request that takes the approval of others: why, percent-encoded. The refusal then names what waits for them
 * as its `approval`.
 */
export const APPROVAL_REASON_HEADER = 'keyhold-approval-reason';

/** Field of the same request, sent again once enough have approved it: the `approval` of that refusal. */
export const APPROVAL_HEADER = 'keyhold-approval';
