import { type Static, Type } from 'typebox';
import { defineOperation } from '../operation.ts';
import { MAX_CODE_CHARS } from '../request-code.ts';
import { MAX_PASSKEY_CHARS } from '../request-passkey.ts';
import { AssertionShape, CreatedPasskeyShape, PasskeyOptions } from './passkey-shapes.ts';
import { RoleGrantShape } from './people.ts';
import { BarrierShape, Closed, IdOf, Name, Nullable, Slug, Time, TotpOffer } from './shapes.ts';

export const SESSION_KINDS = ['browser', 'cli'] as const;

export const SessionShape = Closed({
  id: IdOf('session'),
  kind: Type.Enum([...SESSION_KINDS]),
  /** Of this very call. */
  current: Type.Boolean(),
  createdAt: Time,
  expiresAt: Time,
  lastUsedAt: Nullable(Time),
  lastUsedFrom: Nullable(Type.String()),
});
export type Session = Static<typeof SessionShape>;

export const PersonPasskeyShape = Closed({
  id: IdOf('personPasskey'),
  name: Name,
  /** base64url, as browsers name it. */
  credentialId: Type.String(),
  createdAt: Time,
  lastUsedAt: Nullable(Time),
});
export type PersonPasskey = Static<typeof PersonPasskeyShape>;

const Self = Closed({ id: IdOf('person'), name: Name });
export const SignedIn = Closed({ person: Self, session: SessionShape });

export const askToSignIn = defineOperation({
  id: 'ask-to-sign-in',
  method: 'POST',
  path: '/v1/sign-in/options',
  tag: 'Sign-in',
  summary: 'What a browser is to sign in with; takes no token',
  status: 200,
  response: Closed({ options: PasskeyOptions }),
  errors: ['TOO_MANY_ATTEMPTS'],
});

export const signIn = defineOperation({
  id: 'sign-in',
  method: 'POST',
  path: '/v1/sign-in',
  tag: 'Sign-in',
  summary: 'Sign in with a passkey; the session is in a cookie. Takes no token',
  body: Closed({ response: AssertionShape }),
  status: 200,
  response: SignedIn,
  errors: ['SIGN_IN_REFUSED', 'TOO_MANY_ATTEMPTS'],
});

export const askToEnrol = defineOperation({
  id: 'ask-to-enrol',
  method: 'POST',
  path: '/v1/enrolment/options',
  tag: 'Sign-in',
  summary: 'What a browser is to make a passkey with; takes an invitation or the bootstrap token',
  body: Closed({
    name: Type.Optional({ ...Name, description: "The first owner's; whoever is invited has one." }),
  }),
  status: 200,
  response: Closed({
    options: PasskeyOptions,
    person: { ...IdOf('person'), description: 'To be sent with the answer.' },
    first: Type.Boolean({ description: 'This will be the first owner.' }),
    totp: { ...Nullable(TotpOffer), description: 'For an app and a password instead, where the invitation lets you.' },
  }),
  errors: [],
});

export const enrol = defineOperation({
  id: 'enrol',
  method: 'POST',
  path: '/v1/enrolment',
  tag: 'Sign-in',
  summary: 'Enrol a passkey and sign in; takes an invitation, or the bootstrap token, which ends with it',
  body: Closed({
    name: Type.Optional({ ...Name, description: "The first owner's; whoever is invited has one." }),
    person: IdOf('person'),
    passkeyName: Name,
    response: CreatedPasskeyShape,
  }),
  status: 201,
  response: Closed({ person: Self, session: SessionShape, barrier: Type.Optional(BarrierShape) }),
  errors: ['POSSESSION_UNPROVEN', 'PASSKEY_TAKEN', 'ILLEGAL_TRANSITION'],
});

export const getSession = defineOperation({
  id: 'get-session',
  method: 'GET',
  path: '/v1/session',
  tag: 'Sign-in',
  summary: 'Who is signed in: roles, passkeys and sessions',
  status: 200,
  response: Closed({
    person: Self,
    roles: Type.Array(RoleGrantShape),
    passkeys: Type.Array(PersonPasskeyShape),
    sessions: Type.Array(SessionShape),
    /** Providers; whether he is known there, and whether this session began there. */
    providers: Type.Array(Closed({ name: Slug, path: Type.String(), linked: Type.Boolean(), began: Type.Boolean() })),
    firstPasskey: Type.Boolean({ description: 'Whether a first passkey can be added now, without another.' }),
    password: Nullable(
      Closed({
        login: Type.String(),
        recoveryCodes: Type.Integer({ minimum: 0, description: 'How many are left.' }),
        replacesApp: Type.Boolean({ description: 'A recovery code just signed you in: take another app now.' }),
      }),
    ),
    /** What a page confirms requests with. */
    rpId: Type.String(),
  }),
  errors: [],
});

export const signOut = defineOperation({
  id: 'sign-out',
  method: 'POST',
  path: '/v1/sign-out',
  tag: 'Sign-in',
  summary: 'End this session',
  status: 200,
  response: Closed({}),
  errors: [],
});

export const endSession = defineOperation({
  id: 'end-session',
  method: 'DELETE',
  path: '/v1/sessions/{id}',
  tag: 'Sign-in',
  summary: 'End another session of your own',
  params: Closed({ id: IdOf('session') }),
  status: 200,
  response: Closed({}),
  errors: ['SESSION_NOT_FOUND'],
});

export const askForPasskey = defineOperation({
  id: 'ask-for-passkey',
  method: 'POST',
  path: '/v1/passkeys/options',
  tag: 'Sign-in',
  summary: 'What a browser is to make another passkey of yours with',
  status: 200,
  response: Closed({ options: PasskeyOptions }),
  errors: [],
});

export const addPasskey = defineOperation({
  id: 'add-passkey',
  method: 'POST',
  path: '/v1/passkeys',
  tag: 'Sign-in',
  summary: 'Add a passkey of yours; confirmed with one that you have, or with your app: a password ends with it',
  body: Closed({ name: Name, response: CreatedPasskeyShape }),
  status: 201,
  response: Closed({ passkey: PersonPasskeyShape }),
  errors: ['POSSESSION_UNPROVEN', 'PASSKEY_TAKEN', 'TOO_MANY_PASSKEYS', 'CONFIRMATION_REQUIRED'],
});

export const removePasskey = defineOperation({
  id: 'remove-passkey',
  method: 'DELETE',
  path: '/v1/passkeys/{id}',
  tag: 'Sign-in',
  summary: 'Remove a passkey of yours; sessions that began with it end. The last one stays',
  params: Closed({ id: IdOf('personPasskey') }),
  status: 200,
  response: Closed({ sessionsEnded: Type.Integer({ minimum: 0 }) }),
  errors: ['PASSKEY_NOT_FOUND', 'ILLEGAL_TRANSITION'],
});

export const makeDeviceCode = defineOperation({
  id: 'make-device-code',
  method: 'POST',
  path: '/v1/device-codes',
  tag: 'Sign-in',
  summary: 'Make a code that signs a command line in as you, once, within five minutes; confirmed with a passkey',
  status: 201,
  response: Closed({ secret: Type.String(), expiresInSeconds: Type.Integer() }),
  errors: ['CONFIRMATION_REQUIRED'],
});

export const signInDevice = defineOperation({
  id: 'sign-in-device',
  method: 'POST',
  path: '/v1/device-sign-in',
  tag: 'Sign-in',
  summary: 'Sign a command line in with such a code; the secret is a bearer token. Takes no token',
  body: Closed({ code: Type.String({ minLength: 1, maxLength: 100, pattern: '^[\\x21-\\x7e]+$' }) }),
  status: 200,
  response: Closed({ person: Self, session: SessionShape, secret: Type.String() }),
  errors: ['DEVICE_CODE_GONE', 'TOO_MANY_ATTEMPTS'],
});

const PendingShape = Closed({
  id: IdOf('confirmation'),
  method: Type.String(),
  target: Type.String({ description: 'Path and query.' }),
  body: Type.String({ description: 'As it was sent.' }),
  session: { ...IdOf('session'), description: 'Of the command line that asks.' },
  from: Type.String({ description: 'Network address.' }),
  askedAt: Time,
});
export type Pending = Static<typeof PendingShape>;

const PendingParams = Closed({ id: IdOf('confirmation') });

export const listPending = defineOperation({
  isWatching: true,
  id: 'list-pending',
  method: 'GET',
  path: '/v1/confirmations',
  tag: 'Sign-in',
  summary: 'What command lines of yours ask for, and wait with until you confirm it',
  status: 200,
  response: Closed({ items: Type.Array(PendingShape) }),
  errors: [],
});

export const confirmPending = defineOperation({
  id: 'confirm-pending',
  method: 'POST',
  path: '/v1/confirmations/{id}',
  tag: 'Sign-in',
  summary: 'Confirm what a command line of yours asks for, with a passkey or a code over its request',
  params: PendingParams,
  body: Closed({
    passkey: Type.Optional(Type.String({ minLength: 1, maxLength: MAX_PASSKEY_CHARS, pattern: '^[A-Za-z0-9_-]+$' })),
    code: Type.Optional({
      ...Type.String({ minLength: 1, maxLength: MAX_CODE_CHARS, pattern: '^[A-Za-z0-9_.-]+$' }),
      description: 'Instead: as Keyhold-Code has it.',
    }),
  }),
  status: 200,
  response: Closed({}),
  errors: ['NOTHING_PENDING', 'CONFIRMATION_REQUIRED'],
});

export const discardPending = defineOperation({
  id: 'discard-pending',
  method: 'DELETE',
  path: '/v1/confirmations/{id}',
  tag: 'Sign-in',
  summary: 'Do not confirm it',
  params: PendingParams,
  status: 200,
  response: Closed({}),
  errors: ['NOTHING_PENDING'],
});
