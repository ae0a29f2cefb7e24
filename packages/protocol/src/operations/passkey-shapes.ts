import { type TSchema, Type } from 'typebox';
import { Closed } from './shapes.ts';

export const Base64Url = (maxLength: number) => Type.String({ minLength: 1, maxLength, pattern: '^[A-Za-z0-9_-]+$' });

const answerOf = <S extends TSchema>(response: S) =>
  Closed({
    id: Base64Url(1400),
    rawId: Base64Url(1400),
    type: Type.Literal('public-key'),
    authenticatorAttachment: Type.Optional(Type.Union([Type.String({ maxLength: 40 }), Type.Null()])),
    clientExtensionResults: Type.Optional(Type.Object({}, { additionalProperties: true })),
    response,
  });

/** What `navigator.credentials.create` answers, in JSON (WebAuthn §5.1.8). */
export const CreatedPasskeyShape = answerOf(
  Type.Object(
    {
      clientDataJSON: Base64Url(4_000),
      attestationObject: Base64Url(40_000),
      publicKeyAlgorithm: Type.Optional(Type.Integer({ minimum: -65_536, maximum: 65_536 })),
    },
    { additionalProperties: true },
  ),
);

/** What `navigator.credentials.get` answers, in JSON. */
export const AssertionShape = answerOf(
  Type.Object(
    {
      clientDataJSON: Base64Url(4_000),
      authenticatorData: Base64Url(4_000),
      signature: Base64Url(4_000),
      userHandle: Type.Optional(Type.Union([Base64Url(200), Type.Null()])),
    },
    { additionalProperties: true },
  ),
);

/** What a page hands `navigator.credentials`, in JSON. */
export const PasskeyOptions = Type.Unknown({ description: 'What a page hands navigator.credentials, in JSON.' });
