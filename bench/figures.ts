/** One figure: what it is to reach, and how its script is started. */
export interface Planned {
  readonly name: string;
  readonly script: string;
  /** In words, for the table. */
  readonly target: string;
  readonly reached: (figure: { value: number; ratio: number | null }) => boolean;
  readonly nodeOptions: readonly string[];
  /** Measured on one core alone. */
  readonly onOneCore?: true;
}

/** A million credentials with their secrets need more than the default heap. */
const ROOM = '--max-old-space-size=8192';

export const FIGURES: readonly Planned[] = [
  {
    name: 'verify-embedded',
    script: 'verify-embedded.ts',
    target: 'ratio ≥ 0.25',
    reached: ({ ratio }) => ratio !== null && ratio >= 0.25,
    nodeOptions: [ROOM],
  },
  {
    name: 'verify-hmac',
    script: 'verify-hmac.ts',
    target: 'ratio ≥ 0.5',
    reached: ({ ratio }) => ratio !== null && ratio >= 0.5,
    nodeOptions: [],
    onOneCore: true,
  },
  {
    name: 'verify-ed25519',
    script: 'verify-ed25519.ts',
    target: 'ratio ≥ 0.85',
    reached: ({ ratio }) => ratio !== null && ratio >= 0.85,
    nodeOptions: [],
    onOneCore: true,
  },
  {
    name: 'ed25519-cores',
    script: 'ed25519-cores.ts',
    target: 'no reach set',
    reached: () => true,
    nodeOptions: [],
  },
  {
    name: 'verify-rfc9421',
    script: 'verify-rfc9421.ts',
    target: 'no reach set',
    reached: () => true,
    nodeOptions: [],
    onOneCore: true,
  },
  {
    name: 'replica-bytes',
    script: 'replica-bytes.ts',
    target: 'value ≤ 500',
    reached: ({ value }) => value <= 500,
    nodeOptions: [ROOM, '--expose-gc'],
  },
  {
    name: 'verify-http',
    script: 'verify-http.ts',
    target: 'ratio ≥ 0.85',
    reached: ({ ratio }) => ratio !== null && ratio >= 0.85,
    nodeOptions: [],
  },
  {
    name: 'issue-durable',
    script: 'issue-durable.ts',
    target: 'ratio ≥ 0.4',
    reached: ({ ratio }) => ratio !== null && ratio >= 0.4,
    nodeOptions: [],
  },
  {
    name: 'revoke-barrier',
    script: 'revoke-barrier.ts',
    target: 'ratio ≤ 3',
    reached: ({ ratio }) => ratio !== null && ratio <= 3,
    nodeOptions: [],
  },
  {
    name: 'envelope-open',
    script: 'envelope-open.ts',
    target: 'ratio ≥ 0.5',
    reached: ({ ratio }) => ratio !== null && ratio >= 0.5,
    nodeOptions: [],
  },
  {
    name: 'kv-read',
    script: 'kv-read.ts',
    target: 'ratio ≥ 0.5',
    reached: ({ ratio }) => ratio !== null && ratio >= 0.5,
    nodeOptions: [],
  },
  {
    name: 'authorise-10',
    script: 'authorise-10.ts',
    target: 'ratio ≥ 0.7',
    reached: ({ ratio }) => ratio !== null && ratio >= 0.7,
    nodeOptions: [],
  },
  {
    name: 'authorise-100',
    script: 'authorise-100.ts',
    target: 'ratio ≥ 0.7',
    reached: ({ ratio }) => ratio !== null && ratio >= 0.7,
    nodeOptions: [],
  },
  {
    name: 'authorise-1000',
    script: 'authorise-1000.ts',
    target: 'ratio ≥ 0.7',
    reached: ({ ratio }) => ratio !== null && ratio >= 0.7,
    nodeOptions: [],
  },
  {
    name: 'signed-in',
    script: 'signed-in.ts',
    target: 'ratio ≥ 0.7',
    reached: ({ ratio }) => ratio !== null && ratio >= 0.7,
    nodeOptions: [],
  },
  {
    name: 'rewrap',
    script: 'rewrap.ts',
    target: 'no reach set',
    reached: () => true,
    nodeOptions: [],
  },
  {
    name: 'unseal',
    script: 'unseal.ts',
    target: 'no reach set',
    reached: () => true,
    nodeOptions: [],
  },
  {
    name: 'audit-durable-64',
    script: 'audit-durable-64.ts',
    target: 'ratio ≥ 0.5',
    reached: ({ ratio }) => ratio !== null && ratio >= 0.5,
    nodeOptions: [],
  },
  {
    name: 'audit-durable-256',
    script: 'audit-durable-256.ts',
    target: 'ratio ≥ 0.5',
    reached: ({ ratio }) => ratio !== null && ratio >= 0.5,
    nodeOptions: [],
  },
  {
    name: 'audit-proofs',
    script: 'audit-proofs.ts',
    target: 'no reach set',
    reached: () => true,
    nodeOptions: [],
  },
  {
    name: 'audit-verify',
    script: 'audit-verify.ts',
    target: 'ratio ≥ 0.5',
    reached: ({ ratio }) => ratio !== null && ratio >= 0.5,
    nodeOptions: [],
  },
  {
    name: 'audit-growth',
    script: 'audit-growth.ts',
    target: 'ratio ≥ 0.8',
    reached: ({ ratio }) => ratio !== null && ratio >= 0.8,
    nodeOptions: [],
  },
  {
    name: 'replay-memory',
    script: 'replay-memory.ts',
    target: 'ratio ≥ 1',
    reached: ({ ratio }) => ratio !== null && ratio >= 1,
    nodeOptions: [],
  },
  {
    name: 'replay-bytes',
    script: 'replay-bytes.ts',
    target: 'value ≤ 64',
    reached: ({ value }) => value <= 64,
    nodeOptions: ['--expose-gc'],
  },
  {
    name: 'redis-limit',
    script: 'redis-limit.ts',
    target: 'no reach set',
    reached: () => true,
    nodeOptions: [],
  },
];
