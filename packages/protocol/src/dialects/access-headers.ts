import { toBase64 } from '../log/base64.ts';
import { signatureFromBase64 } from './bytes.ts';
import {
  type Dialect,
  type DialectRefusal,
  isMalformed,
  type Malformed,
  type ReceivedRequest,
  type SecretEncoding,
  type SignedClaim,
} from './dialect.ts';
import { hasField, isCredential, isMethod, malformed, readFields, withFields } from './fields.ts';
import { type RefusalKind, refusalKind } from './refusal-kind.ts';
import type { DialectSettings } from './settings.ts';
import { taskOf } from './signing-task.ts';
import { isBodyApart, pathAndQuery, splitTarget } from './target.ts';

/** In what the dialects differ that sign time + method + target + body, with a passphrase beside it. */
export interface AccessStyle<S extends DialectSettings> {
  readonly name: S['dialect'];
  /** What the names of the header fields begin with. */
  readonly prefix: string;
  readonly secretEncoding: SecretEncoding;
  /** How long a request is good before its time, and after. */
  readonly aheadMs: number;
  readonly windowMs: number;
  /** Epoch milliseconds, null where it is no such time. INVARIANT: its text shows where the method begins. */
  parseTime(text: string): number | null;
  formatTime(ms: number): string;
  readonly refusals: Readonly<Record<RefusalKind, DialectRefusal>>;
}

/**
 * NOT signed in these dialects: the host. The passphrase is not signed either, and has to be compared by whoever
 * verifies. Everything else is.
 */
export function accessDialect<S extends DialectSettings>(style: AccessStyle<S>): Dialect<S> {
  const dialect: Dialect<S> = {
    name: style.name,
    recognises: (request) => hasField(request, `${style.prefix}-KEY`, `${style.prefix}-SIGN`),
    read: (request) => read(request, style),
    async prepare(request, context, settings) {
      return taskOf(dialect, settings, context, (signature) => ({
        ...request,
        method: request.method.toUpperCase(),
        headers: withFields(request.headers, [
          [`${style.prefix}-KEY`, context.credential],
          [`${style.prefix}-SIGN`, toBase64(signature)],
          [`${style.prefix}-TIMESTAMP`, style.formatTime(context.nowMs)],
          [`${style.prefix}-PASSPHRASE`, context.passphrase ?? ''],
        ]),
      }));
    },
    refuse: (code) => style.refusals[refusalKind(code)],
  };
  return dialect;
}

function read<S extends DialectSettings>(request: ReceivedRequest, style: AccessStyle<S>): SignedClaim | Malformed {
  const names = ['KEY', 'SIGN', 'TIMESTAMP', 'PASSPHRASE'].map((name) => `${style.prefix}-${name}`);
  const fields = readFields(request, names);
  if (isMalformed(fields)) return fields;
  const [credential, sign, timestamp, passphrase] = names.map((name) => fields[name]) as [
    string,
    string,
    string,
    string,
  ];
  if (!isCredential(credential)) return malformed(`${names[0]} is no id of a credential`);
  if (passphrase === '' || passphrase.length > 256) return malformed(`${names[3]} is empty or too long`);
  const signature = signatureFromBase64(sign);
  if (signature?.length !== 32) return malformed(`${names[1]} is not Base 64 of an HMAC`);
  const signedAt = style.parseTime(timestamp);
  if (signedAt === null) return malformed(`${names[2]} is no time as this dialect writes it`);
  if (!isMethod(request.method)) return malformed('the method is not of capital letters');
  const target = splitTarget(request.target);
  if (target === null) return malformed('the target is not a path with a query');
  if (request.body === null) return malformed('the body was not read');
  if (!isBodyApart(target, request.body)) return malformed('where the body begins cannot be told from the text');
  return {
    credential,
    base: [timestamp + request.method + pathAndQuery(target), request.body],
    signature,
    algorithms: ['hmac-sha256'],
    secretEncoding: style.secretEncoding,
    freshness: { signedAt, after: signedAt - style.aheadMs, until: signedAt + style.windowMs },
    nonce: null,
    passphrase,
    digests: [],
  };
}
