/**
 * The one registry of error codes: status and public text of each. `docs/errors.md` has a line for every code and a
 * test holds the two together. The text is what a stranger may read; `detail` says what is wrong in this case.
 */
export const ERRORS = {
  INVALID_INPUT: { status: 400, title: 'The request does not have the shape that this operation takes.' },
  INVALID_JSON: { status: 400, title: 'The body is not well-formed JSON in UTF-8.' },
  INVALID_CURSOR: { status: 400, title: 'The cursor was not made by this list with these filters.' },
  UNAUTHENTICATED: { status: 401, title: 'A valid token is required.' },
  SIGN_IN_REFUSED: { status: 401, title: 'This does not sign you in.' },
  FORBIDDEN: { status: 403, title: 'The token does not allow this.' },
  CONFIRMATION_REQUIRED: { status: 403, title: 'This takes your passkey, shown for this very request.' },
  APPROVALS_REQUIRED: { status: 403, title: 'This takes the approval of others.' },
  NOT_FOUND: { status: 404, title: 'There is nothing at this address.' },
  PROJECT_NOT_FOUND: { status: 404, title: 'No such project.' },
  ENVIRONMENT_NOT_FOUND: { status: 404, title: 'No such environment.' },
  CONSUMER_NOT_FOUND: { status: 404, title: 'No such consumer.' },
  KEY_NOT_FOUND: { status: 404, title: 'No such key.' },
  CREDENTIAL_NOT_FOUND: { status: 404, title: 'No such credential.' },
  WORKLOAD_NOT_FOUND: { status: 404, title: 'No such workload.' },
  FACTOR_NOT_FOUND: { status: 404, title: 'No such second factor.' },
  PERSON_NOT_FOUND: { status: 404, title: 'No such person.' },
  ROLE_NOT_FOUND: { status: 404, title: 'Nobody has such a role.' },
  POLICY_NOT_FOUND: { status: 404, title: 'No such policy.' },
  CUSTOM_ROLE_NOT_FOUND: { status: 404, title: 'No such custom role.' },
  APPROVAL_NOT_FOUND: { status: 404, title: 'Nothing that you may approve has this id.' },
  SIGN_ON_NOT_FOUND: { status: 404, title: 'Nobody signs in at a provider of this name.' },
  OFFBOARDING_NOT_FOUND: { status: 404, title: 'Nobody was off-boarded under this id.' },
  BREAK_GLASS_NOT_FOUND: { status: 404, title: 'Nobody went on without approvals under this id.' },
  SESSION_NOT_FOUND: { status: 404, title: 'You have no such session.' },
  PASSKEY_NOT_FOUND: { status: 404, title: 'You have no such passkey.' },
  DEVICE_CODE_GONE: { status: 404, title: 'Nobody is signed in with this code: used, ended, or never there.' },
  NOTHING_PENDING: { status: 404, title: 'Nothing of yours waits with this id: confirmed, discarded, or over.' },
  TOKEN_NOT_FOUND: { status: 404, title: 'No such token.' },
  SECRET_NOT_FOUND: { status: 404, title: 'No such secret.' },
  SECRET_VERSION_GONE: { status: 404, title: 'The secret has no such version any more.' },
  ENTRY_NOT_FOUND: { status: 404, title: 'The log has no such entry, or is not that long.' },
  EXPORT_NOT_FOUND: { status: 404, title: 'No such export of the log.' },
  DELIVERY_GONE: { status: 404, title: 'Nothing waits for this token: taken, ended, or never there.' },
  SLUG_TAKEN: { status: 409, title: 'Another project has this slug.' },
  ENVIRONMENT_EXISTS: { status: 409, title: 'The project has an environment of this name.' },
  PREFIX_TAKEN: { status: 409, title: 'Another environment has this prefix.' },
  APPROVAL_OVER: { status: 409, title: 'This does not wait for approval any more.' },
  ROLE_IN_USE: { status: 409, title: 'Somebody holds this role.' },
  POLICIES_CHANGED: { status: 409, title: 'The policies are not those that you saw.' },
  LAST_OWNER: { status: 409, title: 'Nobody else could manage the installation then.' },
  LOGIN_TAKEN: { status: 409, title: 'Somebody signs in under this name.' },
  PASSKEY_TAKEN: { status: 409, title: "This passkey is, or was, somebody's already." },
  TOO_MANY_PASSKEYS: { status: 409, title: 'You have as many passkeys as one may have.' },
  EXPORT_EXISTS: { status: 409, title: 'Another export of the log has this name.' },
  PUBLIC_KEY_TAKEN: { status: 409, title: 'This public key is, or was, a credential already.' },
  RULE_NOT_MET: { status: 409, title: "The key would not be what its environment's rules ask for." },
  POSSESSION_UNPROVEN: { status: 409, title: 'Nothing shows that the holder has the private key.' },
  EXTERNAL_ID_TAKEN: { status: 409, title: 'Another consumer of the project has this external id.' },
  TOO_MANY_FACTORS: { status: 409, title: 'The consumer has as many second factors here as one may have.' },
  CODE_WRONG: { status: 409, title: 'The code is not one that this factor shows now.' },
  ILLEGAL_TRANSITION: { status: 409, title: 'The present state does not allow this change.' },
  ENVELOPE_BROKEN: { status: 409, title: 'Something encrypted is not what was written; it is never served.' },
  ALREADY_UNSEALED: { status: 409, title: 'The installation is unsealed.' },
  ATTEMPT_OVER: { status: 409, title: 'Something else came in between, or is still under way.' },
  UNSEAL_REFUSED: { status: 409, title: 'This does not open the seal.' },
  HSM_SUPPORT_MISSING: { status: 409, title: 'What talks to HSMs is not installed here.' },
  HSM_MODULE_UNUSABLE: { status: 409, title: 'The PKCS#11 module cannot be loaded.' },
  HSM_TOKEN_NOT_FOUND: { status: 409, title: 'The PKCS#11 module has no such token, or more than one.' },
  HSM_KEY_NOT_FOUND: { status: 409, title: 'The token has no such key, or more than one.' },
  HSM_KEY_UNFIT: { status: 409, title: 'The key in the token cannot hold a seal.' },
  HSM_PIN_WRONG: { status: 409, title: 'The token does not take this PIN.' },
  HSM_PIN_LOCKED: { status: 409, title: "The token's PIN is locked." },
  CAS_MISMATCH: { status: 409, title: 'The newest version is another one.' },
  ROW_TAMPERED: { status: 409, title: 'A stored row is not the one that the ledger recorded.' },
  LOG_FORGED: { status: 409, title: 'The log is not what its entries make it; nothing of it is signed.' },
  NOT_WITNESSED: { status: 409, title: 'No checkpoint that covers this entry is cosigned by enough witnesses.' },
  NOTHING_TO_ACCEPT: { status: 409, title: 'No verifier is waiting for a restore to be accepted.' },
  BODY_TOO_LARGE: { status: 413, title: 'The body is larger than this operation takes.' },
  SECRET_TOO_LARGE: { status: 413, title: 'The secret is larger than 1 MiB.' },
  URI_TOO_LONG: { status: 414, title: 'The address is too long.' },
  UNSUPPORTED_MEDIA_TYPE: { status: 415, title: 'Send the body as application/json.' },
  IDEMPOTENCY_KEY_REUSED: { status: 422, title: 'This Idempotency-Key was used with another request.' },
  TOO_MANY_ATTEMPTS: { status: 429, title: 'Too many attempts failed; try again later.' },
  HEADERS_TOO_LARGE: { status: 431, title: 'The header fields are too large.' },
  INTERNAL: { status: 500, title: 'Something went wrong here; the instance id finds it in the log.' },
  SEALED: { status: 503, title: 'The installation is sealed.' },
  HSM_UNAVAILABLE: { status: 503, title: 'The HSM does not answer, or not as it should.' },
  OVERLOADED: { status: 503, title: 'Too much is waiting; try again shortly.' },
  STORE_UNAVAILABLE: { status: 503, title: 'The store cannot be used now; nothing was changed for certain.' },
} as const satisfies Record<string, { status: number; title: string }>;

export type ErrorCode = keyof typeof ERRORS;

/** A refusal is a value, not an exception: which rule refused, and what the caller can do about it. */
export interface Refusal {
  readonly refused: ErrorCode;
  /** What is wrong here and how to mend it; never a secret. */
  readonly detail: string;
  /** JSON pointer or parameter name of the failing field. */
  readonly field?: string | undefined;
  /** When to try again. */
  readonly retryAfterSeconds?: number;
  /** Id of what waits to be confirmed by a person. */
  readonly confirmation?: string;
  /** Id of what waits for the approval of others. */
  readonly approval?: string;
}

/** Makes a refusal. */
export function refuse(code: ErrorCode, detail: string, field?: string): Refusal {
  return field === undefined ? { refused: code, detail } : { refused: code, detail, field };
}

/** Narrows the result of a use case. */
export function isRefusal(value: unknown): value is Refusal {
  return typeof value === 'object' && value !== null && 'refused' in value;
}

/** RFC 9457 problem details as Keyhold sends them. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: ErrorCode;
  readonly detail: string;
  /** Id of this very request, to find it in the log by. */
  readonly instance: string;
  readonly field?: string;
  /** Of `CONFIRMATION_REQUIRED`, to a command line: id of what waits for its person's word. */
  readonly confirmation?: string;
  /** Of `APPROVALS_REQUIRED`: id of what waits for others. */
  readonly approval?: string;
}
