/** Of those that still hold something: what is gone is never walked through. */
export const whatIsStillHeld: readonly string[] = [
  'CREATE INDEX deliveries_waiting ON deliveries (id) WHERE envelope IS NOT NULL',
  'CREATE INDEX secret_versions_undestroyed ON secret_versions (secret_id, version) WHERE envelope IS NOT NULL',
];
