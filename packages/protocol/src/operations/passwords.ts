import { Type } from 'typebox';
import { defineOperation } from '../operation.ts';
import { Closed, IdOf, TotpOffer } from './shapes.ts';
import { SignedIn } from './sign-in.ts';

/** Longest text that is hashed. */
export const MAX_PASSWORD = 1_000;

const Text = (maxLength: number) => Type.String({ minLength: 1, maxLength });
const Login = {
  ...Type.String({ minLength: 2, maxLength: 100, pattern: '^[^\\s\\u0000-\\u001f\\u007f-\\u009f]+$' }),
  description: 'What you sign in as, in any case.',
};
const Code = Type.String({ minLength: 6, maxLength: 6, pattern: '^[0-9]{6}$' });

const Totp = Closed({ secret: Text(64), challenge: Text(200), code: Code });
const RecoveryCodes = Type.Array(Type.String(), {
  description: 'Each takes the place of a code once. Shown in this answer only.',
});

export const enrolPassword = defineOperation({
  id: 'enrol-password',
  method: 'POST',
  path: '/v1/enrolment/password',
  tag: 'Sign-in',
  summary: 'Enrol a password with an authenticator app and sign in; takes an invitation that lets you',
  body: Closed({ login: Login, password: Text(MAX_PASSWORD), totp: Totp }),
  status: 201,
  response: Closed({ ...SignedIn.properties, recoveryCodes: RecoveryCodes }),
  errors: ['LOGIN_TAKEN', 'CODE_WRONG', 'ILLEGAL_TRANSITION', 'LAST_OWNER', 'TOO_MANY_ATTEMPTS', 'SEALED'],
  carriesSecret: true,
});

export const signInWithPassword = defineOperation({
  id: 'sign-in-with-password',
  method: 'POST',
  path: '/v1/sign-in/password',
  tag: 'Sign-in',
  summary: 'Sign in with a password and a code of your app, or a recovery code; takes no token',
  body: Closed({
    login: Login,
    password: Text(MAX_PASSWORD),
    code: { ...Text(40), description: 'Six digits of the app, or a recovery code.' },
  }),
  status: 200,
  response: SignedIn,
  errors: ['SIGN_IN_REFUSED', 'TOO_MANY_ATTEMPTS', 'SEALED', 'ENVELOPE_BROKEN'],
  carriesSecret: true,
});

export const askForNonce = defineOperation({
  id: 'ask-for-nonce',
  method: 'POST',
  path: '/v1/confirmations/nonces',
  tag: 'Sign-in',
  summary: 'What binds a code of your app to one request, for five minutes; sent with it as Keyhold-Code',
  body: Closed({
    method: Type.String({ minLength: 1, maxLength: 10, pattern: '^[A-Z]+$' }),
    target: Type.String({ minLength: 1, maxLength: 4_000, description: 'Path and query.' }),
    bodySha256: Type.String({ minLength: 64, maxLength: 64, pattern: '^[0-9a-f]{64}$' }),
    session: Type.Optional({ ...IdOf('session'), description: 'Of the command line that asks; else your own.' }),
  }),
  status: 200,
  response: Closed({ nonce: Type.String(), expiresInSeconds: Type.Integer() }),
  errors: [],
});

export const changePassword = defineOperation({
  id: 'change-password',
  method: 'POST',
  path: '/v1/password',
  tag: 'Sign-in',
  summary: 'Change your password; your other sessions end',
  body: Closed({ password: Text(MAX_PASSWORD) }),
  status: 200,
  response: Closed({ sessionsEnded: Type.Integer({ minimum: 0 }) }),
  errors: ['CONFIRMATION_REQUIRED', 'FORBIDDEN', 'TOO_MANY_ATTEMPTS'],
  carriesSecret: true,
});

export const newRecoveryCodes = defineOperation({
  id: 'new-recovery-codes',
  method: 'POST',
  path: '/v1/password/recovery-codes',
  tag: 'Sign-in',
  summary: 'Make new recovery codes; those before are over',
  status: 200,
  response: Closed({ recoveryCodes: RecoveryCodes }),
  errors: ['CONFIRMATION_REQUIRED', 'FORBIDDEN'],
});

export const askForTotp = defineOperation({
  id: 'ask-for-totp',
  method: 'POST',
  path: '/v1/password/totp/options',
  tag: 'Sign-in',
  summary: 'What another authenticator app of yours is to be shown',
  status: 200,
  response: Closed({ totp: TotpOffer }),
  errors: ['FORBIDDEN'],
});

export const replaceTotp = defineOperation({
  id: 'replace-totp',
  method: 'POST',
  path: '/v1/password/totp',
  tag: 'Sign-in',
  summary: 'Take another authenticator app; confirmed with the one before, or within minutes of a recovery code',
  body: Closed({ totp: Totp }),
  status: 200,
  response: Closed({}),
  errors: ['CONFIRMATION_REQUIRED', 'FORBIDDEN', 'CODE_WRONG', 'SEALED'],
  carriesSecret: true,
});
