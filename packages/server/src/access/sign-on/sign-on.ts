import { ID_PREFIXES } from '@keyhold/protocol/id';
import type { GroupRole, SignOn } from '@keyhold/protocol/operations/sign-on';
import type { SignOnRow } from '../../database/sign-on-rows.ts';
import type { PlaceNames } from '../token.ts';
import { showBinding } from '../token.ts';
import { bindingOf } from '../people/person.ts';

/** What one sign-in is held by; each is used once. */
export interface SignOnChecks {
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
  readonly maxAgeSeconds?: number;
}

/** What a provider said of whoever signed in, checked. */
export type SignOnClaims = Readonly<Record<string, unknown>> & { readonly sub: string };

/** What a group gives, as it is kept: places by ids. */
export interface MappedRole {
  readonly group: string;
  readonly role: string;
  readonly project_id: string | null;
  readonly environment_id: string | null;
}

export function mappedRolesOf({ roles }: Pick<SignOnRow, 'roles'>): readonly MappedRole[] {
  return JSON.parse(roles) as MappedRole[];
}

/** INVARIANT: no token has such a name but those that its provider was given (`create-token.ts`). */
const OF_SIGN_ON = 'provisioning ';

/** What tokens of a provider are called. */
export function provisioningNameOf({ id }: Pick<SignOnRow, 'id'>): string {
  return `${OF_SIGN_ON}${id}`;
}

/** Id of the provider that a token was given to, or undefined. */
export function signOnOf({ name }: { readonly name: string }): string | undefined {
  return name.startsWith(`${OF_SIGN_ON}${ID_PREFIXES.signOn}_`) ? name.slice(OF_SIGN_ON.length) : undefined;
}

export function signOnPath(name: string): string {
  return `/sign-on/${name}`;
}

/** Each provider comes back to an address of its own: an answer of one can't be taken for another's (RFC 9700 §4.4). */
export function redirectUriOf(origin: string, name: string): string {
  return `${origin}${signOnPath(name)}/callback`;
}

/** Groups that a claim names; one name alone is one group. */
export function groupsIn(claim: unknown): readonly string[] {
  if (typeof claim === 'string') return [claim];
  return Array.isArray(claim) ? claim.filter((group) => typeof group === 'string') : [];
}

type Held = Pick<MappedRole, 'role' | 'project_id' | 'environment_id'>;

/** The roles that somebody in these groups has, each once. */
export function rolesFor(mapped: readonly MappedRole[], groups: readonly string[]): readonly Held[] {
  const held = new Map<string, Held>();
  for (const one of mapped) if (groups.includes(one.group)) held.set(nameOfHeld(one), one);
  return [...held.values()];
}

export function nameOfHeld({ role, project_id, environment_id }: Held): string {
  return JSON.stringify([role, project_id, environment_id]);
}

const MAX_NAME = 200;
/** OpenID Connect Core §2. */
const MAX_SUBJECT = 255;

/** What names everybody where nothing else is said (OpenID Connect Core §2). */
const SUB = 'sub';
/** Stands between a claim and what it says; nothing that is said has it. */
const SAYS = '\n';

/**
 * Who it is whom a claim names, in one text; null where it names nobody. Whom another claim of the same issuer names so is
 * another: somebody may have chosen what it says of him.
 */
export function subjectBy(claim: string, said: unknown): string | null {
  const isName = typeof said === 'string' && said !== '' && said.length <= MAX_SUBJECT && said.isWellFormed();
  if (!isName || /\p{Cc}/u.test(said)) return null;
  return claim === SUB ? said : `${claim}${SAYS}${said}`;
}

/** The claim that somebody was named by. */
export function claimOf(subject: string): string {
  return subject.includes(SAYS) ? subject.slice(0, subject.indexOf(SAYS)) : SUB;
}

const FRESH_SECONDS = 300;

/** Whether somebody has shown at the provider who he is just now, and not only that he did so once. */
export function isFresh({ auth_time: at }: SignOnClaims, nowMs: number): boolean {
  return typeof at === 'number' && nowMs < (at + FRESH_SECONDS) * 1000;
}

/** What is asked where he has to. */
export const FRESHLY = { maxAgeSeconds: FRESH_SECONDS } as const;

/** What to call somebody whom a provider names. */
export function nameIn(claims: Readonly<Record<string, unknown>>): string {
  const said = ['name', 'preferred_username', 'email', 'sub'].map((claim) => claims[claim]);
  const name = said.find((one) => typeof one === 'string' && one.trim() !== '') as string | undefined;
  // What is cut may end within a character.
  return (name ?? 'Somebody')
    .replaceAll(/[\p{Cc}\p{Cs}]/gu, ' ')
    .slice(0, MAX_NAME)
    .toWellFormed();
}

export function showSignOn(row: SignOnRow, names: PlaceNames, origin: string): SignOn {
  const roles = mappedRolesOf(row).map((one): GroupRole => {
    const { projects, environment } = showBinding(bindingOf(one), names);
    const [project] = projects ?? [];
    const at = environment === null ? (project === undefined ? {} : { project }) : { environment };
    return { group: one.group, role: one.role, ...at };
  });
  return {
    ...{ id: row.id, name: row.name, issuer: row.issuer, clientId: row.client_id, hasSecret: row.envelope !== null },
    ...{ groupsClaim: row.groups_claim, subjectClaim: row.subject_claim, makesPeople: row.makes_people === 1, roles },
    onDeactivated: row.on_deactivated,
    redirectUri: redirectUriOf(origin, row.name),
    createdAt: new Date(row.created_at).toISOString(),
    savedAt: new Date(row.saved_at).toISOString(),
  };
}
