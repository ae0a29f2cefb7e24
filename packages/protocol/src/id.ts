/** Every id is `<prefix>_<UUIDv7>`: sortable by time, and recognisable in a log. */
export const ID_PREFIXES = {
  addressBook: 'book',
  appRole: 'apr',
  appSecret: 'aps',
  approval: 'appv',
  approvalRequest: 'appr',
  bootstrapToken: 'boot',
  breakGlass: 'glass',
  confirmation: 'conf',
  consumer: 'cons',
  credential: 'cred',
  customRole: 'crole',
  delivery: 'dlv',
  entry: 'entry',
  environment: 'env',
  factor: 'fac',
  installation: 'inst',
  invitation: 'inv',
  key: 'key',
  logExport: 'lexp',
  logKey: 'lkey',
  offboarding: 'offb',
  passkey: 'pass',
  periodKey: 'pper',
  person: 'person',
  personalKey: 'pkey',
  personPasskey: 'ppass',
  personPassword: 'ppwd',
  policy: 'pol',
  project: 'proj',
  roleGrant: 'role',
  scimGroup: 'scg',
  scimUser: 'scu',
  keyRules: 'rule',
  seal: 'seal',
  secret: 'sec',
  secretSettings: 'sset',
  secretVersion: 'secv',
  session: 'sess',
  setting: 'pset',
  signatureKey: 'skey',
  signingSettings: 'sign',
  signOn: 'sso',
  identity: 'iden',
  token: 'tok',
  transitKey: 'tkey',
  transitKeyVersion: 'tkv',
  vaultKey: 'vkey',
  verifier: 'ver',
  workload: 'wkl',
} as const;

export type IdKind = keyof typeof ID_PREFIXES;

/** A prefixed id, branded by its kind so that one can't be passed for another. */
export type Id<K extends IdKind> = string & { readonly __id?: K };

export const UUID_PATTERN = '[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}';

/** Regular expression source that a whole id of that kind matches. */
export function idPattern(kind: IdKind): string {
  return `^${ID_PREFIXES[kind]}_${UUID_PATTERN}$`;
}

/** One for people to see the form by. */
export function exampleId(kind: IdKind): string {
  return `${ID_PREFIXES[kind]}_01900000-0000-7000-8000-000000000001`;
}

/** When something was made, epoch milliseconds: a UUIDv7 says it (RFC 9562 §5.7). NaN where this is no such id. */
export function createdAtOf(id: string): number {
  const uuid = id.slice(id.indexOf('_') + 1);
  return Number.parseInt(uuid.slice(0, 8) + uuid.slice(9, 13), 16);
}
