import { isMalformed, type ReceivedRequest, type SignedClaim } from '@keyhold/protocol/dialects/dialect';
import { recognise } from '@keyhold/protocol/dialects/dialects';
import type { DialectName } from '@keyhold/protocol/dialects/settings';
import { OTP_HEADER } from '@keyhold/protocol/totp';
import type { SigningRecord } from '@keyhold/protocol/feed';

/** What a request presents. */
export type Presented =
  | { readonly kind: 'signature'; readonly dialect: DialectName; readonly claim: SignedClaim }
  | { readonly kind: 'bearer'; readonly key: string; readonly otp?: string }
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
  if (key === undefined) return { kind: 'malformed', reason: 'Authorization has no bearer' };
  // Nobody signed it, nor the key beside it: whoever has the one may send the other.
  const codes = headers.filter(([name]) => name.length === OTP_HEADER.length && name.toLowerCase() === OTP_HEADER);
  const [code] = codes;
  return { kind: 'bearer', key, ...(code === undefined || codes.length > 1 ? {} : { otp: code[1] }) };
}
