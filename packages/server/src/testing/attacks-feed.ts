import { VerifierMessage } from '@keyhold/protocol/feed';
import { OnlineQuestion, UsageReport } from '@keyhold/protocol/verification-messages';
import fc from 'fast-check';
import { arbitraryOf, type RealValues, type Schema } from './attacks-schema.ts';
import {
  addAt,
  FORBIDDEN_NAMES,
  hostileValue,
  placesIn,
  replaceAt,
  strangeName,
  toJsonText,
} from './attacks-values.ts';

export interface FeedPosition {
  readonly installation: string;
  readonly epoch: number;
  readonly sequence: number;
  readonly hash: string | null;
}

const MANY = 15_000;
/** Just over what a frame may have. */
const OVERSIZED = 1024 * 1024 + 1;

/** Conversations that no verifier would hold: frames to send over one connection, one after another. */
export function frameAttacks(
  position: FeedPosition,
  own: { readonly keyId: string; readonly credentialId: string },
): fc.Arbitrary<(string | Buffer)[]> {
  const real: RealValues = (name) => {
    if (name === 'id' || name === 'credential') return [own.credentialId, 'cred_x', '\u0000', "'"];
    if (name === 'key') return [own.keyId, '', '\u0000'];
    if (name === 'position')
      return [null, position, { ...position, sequence: position.sequence + 1 }, { ...position, epoch: 0 }];
    if (name === 'sequence' || name === 'request') return [0, 1, position.sequence, Number.MAX_SAFE_INTEGER];
    return undefined;
  };
  const payload = fc.oneof(
    arbitraryOf(UsageReport as Schema, real),
    arbitraryOf(OnlineQuestion as Schema, real),
    hostileValue,
  );
  const message = arbitraryOf(VerifierMessage as unknown as Schema, (name, schema) =>
    name === 'payload' ? undefined : real(name, schema),
  );
  const carrying = fc.record({
    type: fc.constantFrom('report', 'ask'),
    request: fc.constantFrom<unknown>(1, undefined, -1),
    payload,
  });
  const text = fc.oneof(message, carrying).map((value) => toJsonText(value));
  const broken = fc.oneof(
    fc.tuple(fc.oneof(message, carrying), fc.nat(), hostileValue).map(([value, at, put]) => {
      const places = placesIn(value);
      return toJsonText(replaceAt(value, places[at % places.length] ?? [], put));
    }),
    fc
      .tuple(message, fc.constantFrom(...FORBIDDEN_NAMES), hostileValue)
      .map(([value, name, put]) => toJsonText(addAt(value, [], name, put))),
    fc.tuple(message, strangeName, hostileValue).map(([value, name, put]) => toJsonText(addAt(value, [], name, put))),
    fc.tuple(text, fc.nat()).map(([whole, at]) => whole.slice(0, at % whole.length)),
    fc.string({ unit: 'binary', maxLength: 200 }),
    fc.constantFrom(
      '',
      '{}',
      '[]',
      'null',
      '0',
      '"hello"',
      '{"type":"welcome"}',
      '{"type":"__proto__"}',
      '[{"type":"bye"}]',
    ),
  );
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 300 }).map((random) => Buffer.from(random)),
    text.map((whole) => Buffer.from(whole)),
  );
  const frame = fc.oneof(
    { weight: 3, arbitrary: text },
    { weight: 3, arbitrary: broken },
    { weight: 1, arbitrary: bytes },
  );
  const greeting = fc
    .uuid()
    .map((id) => JSON.stringify({ type: 'hello', version: 1, verifier: `ver_${id}`, position: null }));
  const greeted = fc
    .tuple(greeting, fc.array(frame, { minLength: 1, maxLength: 4 }))
    .map(([first, rest]) => [first, ...rest]);
  const large = fc.tuple(greeting, fc.constantFrom(...largeFrames())).map(([first, huge]) => [first, huge]);
  return fc.oneof(
    { weight: 12, arbitrary: greeted },
    { weight: 6, arbitrary: fc.array(frame, { minLength: 1, maxLength: 3 }) },
    { weight: 1, arbitrary: large },
  );
}

function largeFrames(): string[] {
  const report = (part: object) =>
    JSON.stringify({ type: 'report', payload: { credentials: [], quotas: [], denials: [], tokens: [], ...part } });
  const ids = (prefix: string) => Array.from({ length: MANY }, (_, i) => `${prefix}${i}`);
  return [
    report({ credentials: ids('c').map((id) => ({ id, count: 1, lastAt: 1, lastIp: null })) }),
    report({ quotas: ids('k').map((key) => ({ key, periodStart: 1, used: 1 })) }),
    report({ tokens: ids('t') }),
    report({ tokens: Array.from({ length: 100_000 }, () => 'a') }),
    ' '.repeat(OVERSIZED),
    `{"type":"ask","request":1,"payload":"${'a'.repeat(OVERSIZED)}"}`,
    `{"type":"report","payload":${'['.repeat(200_000)}${']'.repeat(200_000)}}`,
  ];
}
