export const waitingDeliveries: readonly string[] = [
  'CREATE INDEX deliveries_waiting ON deliveries (subject) WHERE envelope IS NOT NULL',
];
