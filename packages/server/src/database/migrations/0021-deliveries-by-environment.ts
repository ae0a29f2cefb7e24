export const deliveriesByEnvironment: readonly string[] = [
  'CREATE INDEX deliveries_environment ON deliveries (environment_id, id)',
];
