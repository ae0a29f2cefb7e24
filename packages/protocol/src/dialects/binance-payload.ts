import type { Malformed } from './dialect.ts';
import { malformed } from './fields.ts';
import { onlyParameter, type Parameter, parametersOf } from './form.ts';

/** What Binance's style signs, and the parameters that say how. */
export interface BinancePayload {
  /** Query and form as received, without `signature`. */
  readonly query: string;
  readonly form: string;
  readonly signature: string;
  readonly timestamp: string;
  readonly recvWindow: string | undefined;
}

/** Takes `signature` out of query or form, and finds what else is read here. */
export function readPayload(query: string, form: string): BinancePayload | Malformed {
  const [ofQuery, ofForm] = [parametersOf(query), parametersOf(form)];
  if (ofQuery === null || ofForm === null) return malformed('query and body are not parameters, each name=value');
  const all = [...ofQuery, ...ofForm];
  const signature = onlyParameter(all, 'signature');
  // Taken out from between others, it would leave one text behind for requests of two orders.
  if (signature === undefined || signature === null) return malformed('signature is not there exactly once');
  const isInQuery = ofQuery.at(-1) === signature;
  if (!isInQuery && ofForm.at(-1) !== signature)
    return malformed('signature is not the last parameter where it stands');
  const [timestamp, recvWindow] = [onlyParameter(all, 'timestamp'), onlyParameter(all, 'recvWindow')];
  if (timestamp === undefined || timestamp === null) return malformed('timestamp is not there exactly once');
  if (recvWindow === null) return malformed('recvWindow is there more than once');
  if (hasShared(ofQuery, ofForm)) return malformed('a parameter stands in the query and in the body');
  const unsigned = {
    query: isInQuery ? query.slice(0, Math.max(signature.start - 1, 0)) : query,
    form: isInQuery ? form : form.slice(0, Math.max(signature.start - 1, 0)),
  };
  if (!isJointKnown(unsigned.query, unsigned.form))
    return malformed('where the body begins cannot be told from the text');
  return { ...unsigned, signature: signature.value, timestamp: timestamp.value, recvWindow: recvWindow?.value };
}

function hasShared(query: readonly Parameter[], form: readonly Parameter[]): boolean {
  if (query.length === 0 || form.length === 0) return false;
  const names = new Set(query.map(({ name }) => name));
  return form.some(({ name }) => names.has(name));
}

/**
 * Query and body are signed with nothing between them, so `quantity=10` in a query and `quantity=1` with the body
 * `0&…` are one text. INVARIANT: where both have parameters, the text itself says where the one ends: only there is a
 * piece with two `=` (every parameter has one), and between those the body begins at the first small letter after
 * something else (`timeInForce=GTCquantity=1` of Binance's own example). A mixed request that is not so is refused.
 */
function isJointKnown(query: string, form: string): boolean {
  if (query === '' || form === '') return true;
  const value = query.slice(query.lastIndexOf('=') + 1);
  const name = form.slice(0, form.indexOf('='));
  const first = /(?<=^|[^a-z])[a-z]/.exec(value + name);
  return first?.index === value.length;
}
