import { canonicalJson } from '@keyhold/protocol/canonical-json';
import { ID_PREFIXES } from '@keyhold/protocol/id';
import type { Leaf } from '@keyhold/protocol/leaf';
import type { ExposureKind } from '@keyhold/protocol/operations/offboarding';

/** Something that somebody came to know, as the log says it: a line of the evidence. */
export interface KnownThing {
  readonly kind: ExposureKind;
  readonly id: string;
  /** Id of the credential, or number of the version. */
  readonly part: string | null;
  /** Actions, sorted. */
  readonly how: readonly string[];
  /** Ids of who it was shown to, sorted. */
  readonly by: readonly string[];
  /** Sequences of the first and the last entry that say it. */
  readonly first: number;
  readonly last: number;
  readonly times: number;
}

/** Line of canonical JSON (RFC 8785): anybody can hash a list of them, and read it. */
export function lineOf(thing: KnownThing): string {
  const { kind, id, part, how, by, first, last, times } = thing;
  return `${canonicalJson({ kind, id, part, how: [...how], by: [...by], first, last, times })}\n`;
}

export function readLine(line: string): KnownThing {
  return JSON.parse(line) as KnownThing;
}

/**
 * Actions that show a secret to whoever does them, and what kind of thing that is. Where it went to somebody else
 * (`deliverTo`) it counts all the same: who held the link, or named the recipient, may have been him.
 */
const SHOWING = {
  'secret.stored': 'secret',
  'secret.revealed': 'secret',
  'key.issued': 'key',
  'key.rotated': 'key',
  // With it a verifier opens the secrets of all keys of its environment that sign with one.
  'distribution-key.handed': 'key',
  'token.created': 'token',
  'token.exchanged': 'token',
  'factor.enrolled': 'factor',
  'app-secret.created': 'app-secret',
  'workload.created': 'workload',
  // Whoever invites holds the invitation: who enrolled with it may be he.
  'person.invited': 'person',
  'person.reinvited': 'person',
  'log-export.created': 'log-export',
  'sign-on.saved': 'sign-on',
  // Whoever opens or changes the seal has a share of it, or the whole.
  'seal.attempted': 'seal',
  'seal.opened': 'seal',
  'seal.confirming': 'seal',
  'seal.change-begun': 'seal',
  'seal.change-refused': 'seal',
  'seal.changed': 'seal',
} as const satisfies Readonly<Record<string, ExposureKind>>;

/** With a token of his own; whoever has nothing but the link is not known. What it gave its delivery says. */
const TAKING: readonly string[] = ['delivery.taken', 'delivery.rewrapped'];

export const SHOWING_ACTIONS = [...Object.keys(SHOWING), ...TAKING];

/** What one entry showed, before it is known which version, or whether there was a secret at all. */
export interface Showing {
  readonly kind: ExposureKind;
  readonly id: string;
  /** Of a key: its credential; of a stored secret: `3`, or the id of the version. */
  readonly part: string | null;
}

const madeHere = ({ changes }: Leaf, prefix: string) =>
  changes.filter(({ id, before }) => before === null && id.startsWith(`${prefix}_`)).map(({ id }) => id);

/** Every thing that this entry showed; none of an environment's keys, which its entry does not name. */
export function showingsOf(leaf: Leaf): readonly Showing[] {
  const kind = (SHOWING as Readonly<Record<string, ExposureKind>>)[leaf.action];
  const id = leaf.subject;
  switch (leaf.action) {
    case 'secret.revealed':
      return [{ kind: 'secret', id, part: leaf.code?.replace('version-', '') ?? null }];
    case 'secret.stored':
      return madeHere(leaf, ID_PREFIXES.secretVersion).map((part) => ({ kind: 'secret', id, part }));
    case 'key.issued':
    case 'key.rotated':
      return madeHere(leaf, ID_PREFIXES.credential).map((part) => ({ kind: 'key', id, part }));
    case 'distribution-key.handed':
      return [];
    default:
      return kind === undefined ? [] : [{ kind, id, part: null }];
  }
}

/** Id of the delivery that this entry took. */
export function takenIn({ action, changes }: Leaf): string | undefined {
  if (!TAKING.includes(action)) return undefined;
  return changes.find(({ id, before }) => before !== null && id.startsWith(`${ID_PREFIXES.delivery}_`))?.id;
}

/** Ids of the deliveries that this entry made. */
export const putAsideIn = (leaf: Leaf): readonly string[] => madeHere(leaf, ID_PREFIXES.delivery);
