import type { Static, TSchema } from 'typebox';
import type { ErrorCode } from './errors.ts';

/** What whoever calls it has to be allowed, and at what kind of place. */
export interface Asked {
  /** Of the server's table of actions. */
  readonly action: string;
  /** `place`: as broad as what it is about, be that the installation, a project or an environment. */
  readonly at: 'installation' | 'project' | 'environment' | 'secret' | 'place';
  /** Where it goes without that: what is then the case. */
  readonly unless?: string;
}

/**
 * One operation of a plane, described once: the server mounts it, OpenAPI prints it, the SDK and the CLI call it,
 * and the bad-input test attacks it from here.
 */
export interface Operation {
  /** The one name that runs through all layers: use case, operation id, doc page. */
  readonly id: string;
  /** Missing where everybody does it with what is his own, or with a secret that is made for it. */
  readonly asks?: readonly Asked[];
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** With `{name}` parameters, as OpenAPI writes them. */
  readonly path: string;
  readonly tag: string;
  readonly summary: string;
  readonly params?: TSchema;
  readonly query?: TSchema;
  readonly body?: TSchema;
  /** Where the usual 64 KiB are too few. */
  readonly maxBodyBytes?: number;
  /** Success status. */
  readonly status: 200 | 201;
  readonly response: TSchema;
  /** Refusals of its own, beside those that any operation has. */
  readonly errors: readonly ErrorCode[];
  /** Its body carries a secret: it is kept nowhere, not even while a person is asked for his word. */
  readonly carriesSecret?: true;
  /** What a passkey signed over it stays with the entry that says so: whoever confirmed it can be held to it. */
  readonly keepsSignature?: true;
  /** Asked by a page again and again: it does not count as the use of a session. */
  readonly isWatching?: true;
  /** Takes an `Idempotency-Key`: a repeated call answers 200 with what the first one made, without its secret. */
  readonly idempotent?: true;
  /** Takes away and does nothing else: it can be sent again as it is, and waits for the barrier again. */
  readonly takesAway?: true;
}

/** Keeps the literal types of an operation's schemas. */
export function defineOperation<const O extends Operation>(operation: O): O {
  return operation;
}

type Part<O, K extends string> = O extends { readonly [P in K]: infer S extends TSchema } ? Static<S> : undefined;

export type Params<O extends Operation> = Part<O, 'params'>;
export type Query<O extends Operation> = Part<O, 'query'>;
export type Body<O extends Operation> = Part<O, 'body'>;
export type Response<O extends Operation> = Part<O, 'response'>;
