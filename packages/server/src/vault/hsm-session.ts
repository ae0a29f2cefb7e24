import { KEY_BYTES } from '@keyhold/verifier/open-envelope';
import { HsmError, type HsmCall, type HsmFailure } from './hsm-call.ts';
import { type Attribute, CK, CK_PARAMS_AES_GCM, errorName, type Handle, type Pkcs11 } from './pkcs11-interface.ts';

const TAG_BITS = 128;
const TAG_BYTES = TAG_BITS / 8;

const LOGIN_FAILURES: Readonly<Record<string, HsmFailure>> = {
  CKR_PIN_INCORRECT: 'HSM_PIN_WRONG',
  CKR_PIN_INVALID: 'HSM_PIN_WRONG',
  CKR_PIN_LEN_RANGE: 'HSM_PIN_WRONG',
  CKR_PIN_LOCKED: 'HSM_PIN_LOCKED',
  CKR_PIN_EXPIRED: 'HSM_PIN_LOCKED',
};

/** What modules say where a tag is wrong: the standard has a name for it, and not all use it. */
const NOT_ITS_KEY = new Set([
  ...['CKR_ENCRYPTED_DATA_INVALID', 'CKR_ENCRYPTED_DATA_LEN_RANGE', 'CKR_AEAD_DECRYPT_FAILED'],
  ...['CKR_DATA_INVALID', 'CKR_GENERAL_ERROR', 'CKR_FUNCTION_FAILED'],
]);

/**
 * Does one call in a session of its own. The module is left initialised: the caller answers before he finalises it.
 * @throws HsmError
 */
export function runHsmCall(pkcs11: Pkcs11, call: HsmCall): Uint8Array {
  try {
    pkcs11.load(call.module);
  } catch (error) {
    throw new HsmError('HSM_MODULE_UNUSABLE', `The PKCS#11 module does not load: ${(error as Error).message}`);
  }
  return standing('starting the module', () => {
    pkcs11.C_Initialize();
    const session = logIn(pkcs11, call);
    return call.action === 'encrypt'
      ? encrypt(pkcs11, session, call)
      : decrypt(pkcs11, session, findKey(pkcs11, session, call), call);
  });
}

/** Whatever has no code of its own: the HSM does not do what it did. */
function standing<T>(doing: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof HsmError) throw error;
    const { method } = error as { method?: string };
    const name = errorName(error) ?? 'an unknown error';
    throw new HsmError('HSM_UNAVAILABLE', `The HSM answered ${name} (${method || doing}). Is it there?`);
  }
}

/** One that says nothing of itself hinders nobody whose token is in another slot. */
function tokensIn(pkcs11: Pkcs11, tokenLabel: string) {
  const tokens: { readonly slot: Handle; readonly flags: number }[] = [];
  let unreadable: unknown = null;
  for (const slot of pkcs11.C_GetSlotList(true)) {
    try {
      const { label, flags } = pkcs11.C_GetTokenInfo(slot);
      if (label.trimEnd() === tokenLabel) tokens.push({ slot, flags });
    } catch (error) {
      // Not of one that was just taken out, or is none that the module knows.
      if (!/CKR_TOKEN_NOT_(?:PRESENT|RECOGNIZED)/.test(errorName(error) ?? '')) unreadable ??= error;
    }
  }
  // It may be the one that is looked for.
  if (tokens.length === 0 && unreadable !== null) throw unreadable;
  return tokens;
}

function logIn(pkcs11: Pkcs11, { action, tokenLabel, pin, unwatched = false }: HsmCall): Handle {
  const tokens = tokensIn(pkcs11, tokenLabel);
  const [token] = tokens;
  if (token === undefined || tokens.length > 1) {
    const detail = `The module shows ${tokens.length === 0 ? 'no token' : `${tokens.length} tokens`} labelled "${tokenLabel}".`;
    throw new HsmError('HSM_TOKEN_NOT_FOUND', detail);
  }
  // Asked before it is tried: a PIN that is locked is not to be tried again.
  if ((token.flags & CK.CKF_USER_PIN_LOCKED) !== 0) throw locked(tokenLabel);
  if (unwatched && (token.flags & CK.CKF_USER_PIN_FINAL_TRY) !== 0) {
    const detail = `The token "${tokenLabel}" locks after one more wrong PIN, and nobody watches this try: check the PIN, then give it.`;
    throw new HsmError('UNSEAL_REFUSED', detail);
  }
  const writes = action === 'encrypt' ? CK.CKF_RW_SESSION : 0;
  const session = pkcs11.C_OpenSession(token.slot, CK.CKF_SERIAL_SESSION | writes);
  try {
    pkcs11.C_Login(session, CK.CKU_USER, pin);
  } catch (error) {
    const failed = LOGIN_FAILURES[errorName(error) ?? ''];
    if (failed === 'HSM_PIN_LOCKED') throw locked(tokenLabel);
    if (failed === undefined) throw error;
    throw new HsmError(failed, `The token "${tokenLabel}" does not take this PIN. It locks after a few wrong ones.`);
  }
  return session;
}

function locked(tokenLabel: string): HsmError {
  const detail = `The PIN of the token "${tokenLabel}" is locked or has expired: its security officer sets a new one.`;
  return new HsmError('HSM_PIN_LOCKED', detail);
}

function findKeys(pkcs11: Pkcs11, session: Handle, { keyLabel }: HsmCall): Handle[] {
  pkcs11.C_FindObjectsInit(session, [
    { type: CK.CKA_CLASS, value: CK.CKO_SECRET_KEY },
    { type: CK.CKA_TOKEN, value: true },
    { type: CK.CKA_LABEL, value: keyLabel },
  ]);
  const found = pkcs11.C_FindObjects(session, 2);
  pkcs11.C_FindObjectsFinal(session);
  return found;
}

function findKey(pkcs11: Pkcs11, session: Handle, call: HsmCall): Handle {
  const keys = findKeys(pkcs11, session, call);
  const [key] = keys;
  if (key !== undefined && keys.length === 1) return key;
  const many = keys.length === 0 ? 'no secret key' : 'more than one secret key';
  throw new HsmError('HSM_KEY_NOT_FOUND', `The token "${call.tokenLabel}" has ${many} labelled "${call.keyLabel}".`);
}

function encrypt(pkcs11: Pkcs11, session: Handle, call: HsmCall): Uint8Array {
  const isNew = findKeys(pkcs11, session, call).length === 0;
  const key = isNew ? makeKey(pkcs11, session, call) : findKey(pkcs11, session, call);
  // Of a new one too: not every module refuses what it can't do.
  refuseUnfit(pkcs11, session, key, call);
  let encrypted: Buffer;
  try {
    pkcs11.C_EncryptInit(session, gcm(call), key);
    encrypted = pkcs11.C_Encrypt(session, Buffer.from(call.data), Buffer.alloc(call.data.length + TAG_BYTES));
  } catch (error) {
    if (!/CKR_(?:MECHANISM|KEY_FUNCTION|KEY_TYPE)/.test(errorName(error) ?? '')) throw error;
    throw unfit(call, `cannot encrypt with AES-GCM (${errorName(error)})`);
  }
  // INVARIANT: nothing is put under a key that was not seen to open it again.
  const opened = decrypt(pkcs11, session, key, { ...call, data: encrypted });
  if (!Buffer.from(call.data).equals(opened)) throw unfit(call, 'does not give back what was encrypted');
  opened.fill(0);
  return encrypted;
}

function decrypt(pkcs11: Pkcs11, session: Handle, key: Handle, call: HsmCall): Uint8Array {
  pkcs11.C_DecryptInit(session, gcm(call), key);
  try {
    return pkcs11.C_Decrypt(session, Buffer.from(call.data), Buffer.alloc(call.data.length));
  } catch (error) {
    if (!NOT_ITS_KEY.has(errorName(error) ?? '')) throw error;
    const detail = `The key "${call.keyLabel}" in the token is not the one of this seal, or what the seal holds was altered.`;
    throw new HsmError('UNSEAL_REFUSED', `${detail} The HSM answered ${errorName(error)}.`);
  }
}

function gcm({ nonce, associated }: HsmCall) {
  const [iv, aad] = [Buffer.from(nonce), Buffer.from(associated)];
  const parameter = { type: CK_PARAMS_AES_GCM, iv, ivBits: iv.length * 8, aad, tagBits: TAG_BITS };
  return { mechanism: CK.CKM_AES_GCM, parameter };
}

/** It never leaves the token, and does nothing else. */
function makeKey(pkcs11: Pkcs11, session: Handle, { keyLabel }: HsmCall): Handle {
  const template: readonly Attribute[] = [
    { type: CK.CKA_CLASS, value: CK.CKO_SECRET_KEY },
    { type: CK.CKA_KEY_TYPE, value: CK.CKK_AES },
    { type: CK.CKA_VALUE_LEN, value: KEY_BYTES },
    { type: CK.CKA_LABEL, value: keyLabel },
    ...[CK.CKA_TOKEN, CK.CKA_PRIVATE, CK.CKA_SENSITIVE, CK.CKA_ENCRYPT, CK.CKA_DECRYPT].map(yes),
    ...[CK.CKA_EXTRACTABLE, CK.CKA_WRAP, CK.CKA_UNWRAP].map((type) => ({ type, value: false })),
  ];
  return pkcs11.C_GenerateKey(session, { mechanism: CK.CKM_AES_KEY_GEN }, template);
}

function yes(type: number): Attribute {
  return { type, value: true };
}

function refuseUnfit(pkcs11: Pkcs11, session: Handle, key: Handle, call: HsmCall): void {
  const types = [CK.CKA_SENSITIVE, CK.CKA_EXTRACTABLE, CK.CKA_KEY_TYPE, CK.CKA_VALUE_LEN].map((type) => ({ type }));
  const values = pkcs11.C_GetAttributeValue(session, key, types);
  // Each number as the machine holds it, which is little-endian wherever this runs.
  const [sensitive, extractable, keyType, length] = values.map(({ value }) => value[0]);
  if (sensitive !== 1 || extractable !== 0) throw unfit(call, 'can be exported');
  if (keyType !== CK.CKK_AES || length !== KEY_BYTES) throw unfit(call, 'is not an AES-256 key');
}

function unfit({ keyLabel }: HsmCall, why: string): HsmError {
  return new HsmError('HSM_KEY_UNFIT', `The key "${keyLabel}" in the token ${why}.`);
}
