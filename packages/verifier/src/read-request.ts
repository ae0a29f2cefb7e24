import { isMalformed, type ReceivedRequest, type SignedClaim } from '@keyhold/protocol/dialects/dialect';
import { recognise } from '@keyhold/protocol/dialects/dialects';
import type { DialectName } from '@keyhold/protocol/dialects/settings';
import type { SigningRecord } from '@keyhold/protocol/feed';

/** What a request presents. */
export type Presented =
  | { readonly kind: 'signature'; readonly dialect: DialectName; readonly claim: SignedClaim }
  | { readonly kind: 'bearer'; readonly key: string }
  | { readonly kind: 'malformed'; readonly dialect?: DialectName; readonly reason: string };

/** Reads a request by the first dialect of its environment that recognises it; without a signature, as a bearer's. */
export function readRequest(request: ReceivedRequest, signing: SigningRecord | null): Presented {
  const recognised = signing === null ? null : recognise(signing.dialects, request);
  if (recognised === null) return readBearer(request);
  const { name: dialect } = recognised.dialect;
  const claim = recognised.dialect.read(request, recognised.settings);
  return isMalformed(claim)
    ? { kind: 'malformed', dialect, reason: claim.malformed }
    : { kind: 'signature', dialect, claim };
}

/** Two of them would leave it to the server behind which one counts. */
function readBearer({ headers }: ReceivedRequest): Presented {
  const found = headers.filter(([name]) => name.length === 13 && name.toLowerCase() === 'authorization');
  const [first] = found;
  if (first === undefined)
    return { kind: 'malformed', reason: 'neither signed in a dialect of the environment, nor with a key' };
  if (found.length > 1) return { kind: 'malformed', reason: 'Authorization is there more than once' };
  const key = /^Bearer +(\S+) *$/i.exec(first[1])?.[1];
  return key === undefined ? { kind: 'malformed', reason: 'Authorization has no bearer' } : { kind: 'bearer', key };
}
