/** Tables that verifiers are fed, in an order in which what a row refers to comes first. */
export const FED_TABLES = [
  'environments',
  'permission_settings',
  'signing_settings',
  'key_rules',
  'consumers',
  'keys',
  'address_books',
  'credentials',
  'signature_keys',
  'consumer_factors',
  'passkeys',
  'tokens',
] as const;
