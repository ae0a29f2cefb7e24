import { createRequire } from 'node:module';
import { HsmError } from './hsm-call.ts';

/** What is used of `pkcs11js`: PKCS#11 2.40 under the names of the standard. */
export interface Pkcs11 {
  load(path: string): void;
  C_Initialize(): void;
  C_Finalize(): void;
  C_GetSlotList(tokenPresent: boolean): Handle[];
  C_GetTokenInfo(slot: Handle): { readonly label: string; readonly flags: number };
  C_OpenSession(slot: Handle, flags: number): Handle;
  C_Login(session: Handle, user: number, pin: string): void;
  C_FindObjectsInit(session: Handle, template: readonly Attribute[]): void;
  C_FindObjects(session: Handle, most: number): Handle[];
  C_FindObjectsFinal(session: Handle): void;
  C_GetAttributeValue(session: Handle, object: Handle, attributes: readonly { type: number }[]): { value: Buffer }[];
  C_GenerateKey(session: Handle, mechanism: { mechanism: number }, template: readonly Attribute[]): Handle;
  C_EncryptInit(session: Handle, mechanism: Mechanism, key: Handle): void;
  C_Encrypt(session: Handle, data: Buffer, room: Buffer): Buffer;
  C_DecryptInit(session: Handle, mechanism: Mechanism, key: Handle): void;
  C_Decrypt(session: Handle, data: Buffer, room: Buffer): Buffer;
}

export type Handle = Buffer;

export interface Attribute {
  readonly type: number;
  readonly value: boolean | number | string;
}

interface Mechanism {
  readonly mechanism: number;
  readonly parameter: object;
}

/** The numbers of the standard (PKCS#11 2.40, pkcs11t.h) that are used here. */
export const CK = {
  CKF_RW_SESSION: 0x2,
  CKF_SERIAL_SESSION: 0x4,
  CKF_USER_PIN_FINAL_TRY: 0x20000,
  CKF_USER_PIN_LOCKED: 0x40000,
  CKU_USER: 1,
  CKO_SECRET_KEY: 4,
  CKK_AES: 0x1f,
  CKM_AES_KEY_GEN: 0x1080,
  CKM_AES_GCM: 0x1087,
  CKA_CLASS: 0x0,
  CKA_TOKEN: 0x1,
  CKA_PRIVATE: 0x2,
  CKA_LABEL: 0x3,
  CKA_KEY_TYPE: 0x100,
  CKA_SENSITIVE: 0x103,
  CKA_ENCRYPT: 0x104,
  CKA_DECRYPT: 0x105,
  CKA_WRAP: 0x106,
  CKA_UNWRAP: 0x107,
  CKA_VALUE_LEN: 0x161,
  CKA_EXTRACTABLE: 0x162,
} as const;

/** Which parameters of a mechanism are meant; a number of `pkcs11js`, not of the standard. */
export const CK_PARAMS_AES_GCM = 3;

/** @throws HsmError where it was not built or does not load */
export function loadPkcs11js(): Pkcs11 {
  try {
    const { PKCS11 } = createRequire(import.meta.url)('pkcs11js') as { PKCS11: new () => Pkcs11 };
    return new PKCS11();
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND';
    const why = missing ? 'pkcs11js is not installed' : `pkcs11js does not load (${(error as Error).message})`;
    throw new HsmError('HSM_SUPPORT_MISSING', `${why}: node scripts/build-pkcs11js.mjs builds it.`);
  }
}

/** `CKR_PIN_INCORRECT`, or null where it is none of the standard's errors. */
export function errorName(error: unknown): string | null {
  return /CKR_\w+/.exec((error as Error).message)?.[0] ?? null;
}
