import { type Action, ACTIONS, PEOPLE_ONLY } from '../authorise.ts';

/**
 * Who may change policies is no matter of policies, nor is who opens the seal: whatever somebody wrote, an owner can take
 * it back, and a lost one be replaced.
 */
const BEYOND_POLICIES: readonly Action[] = ['policies.read', 'policies.change', 'seal.read', 'seal.unseal'];

/** What policies can speak of. */
export const GOVERNED: readonly Action[] = ACTIONS.filter((action) => !BEYOND_POLICIES.includes(action));

/** What takes away and never gives: policies can permit it to somebody, and forbid it to nobody. */
export const TIGHTENING: readonly Action[] = [
  'keys.suspend',
  'keys.revoke',
  'keys.destroy',
  'deliveries.end',
  'factors.remove',
  'tokens.revoke',
  'workloads.remove',
  'app-roles.remove',
  'people.suspend',
  'people.remove',
  'people.offboard',
  'roles.end',
  'sign-on.remove',
  'break-glass.close',
];

/** Where a policy is not as it was recorded, these go on: somebody has to find out, and to take away. */
const ALWAYS_LEFT: readonly Action[] = [...BEYOND_POLICIES, ...TIGHTENING, 'audit.read', 'installation.read'];

export function goesOnWithoutPolicies(action: Action): boolean {
  return ALWAYS_LEFT.includes(action);
}

/** Actions by the names of their groups: `secrets` for whatever is done to them, `reading`, `tightening`. */
export const ACTION_GROUPS: ReadonlyMap<string, readonly Action[]> = new Map([
  ...[...new Set(GOVERNED.map(nounOf))].map((noun) => [noun, GOVERNED.filter((one) => nounOf(one) === noun)] as const),
  ['reading', GOVERNED.filter((action) => action.endsWith('.read'))] as const,
  ['tightening', TIGHTENING] as const,
]);

/** Names of the groups that an action is in. */
export function groupsOf(action: Action): readonly string[] {
  return [...ACTION_GROUPS].flatMap(([name, actions]) => (actions.includes(action) ? [name] : []));
}

/** The reading of the same kind of thing: whoever may not do even that does not learn that it is there. */
export function readingOf(action: Action): Action | undefined {
  return ACTIONS.find((one) => one === `${nounOf(action)}.read`);
}

/** Actions that are done to the installation as a whole, and nowhere further in. */
const OF_INSTALLATION: readonly string[] = [
  ...['workloads', 'people', 'audit', 'backup', 'installation', 'seal'],
  ...['custom-roles', 'break-glass', 'sign-on'],
];
/** What may be done to the installation as a whole, to a project or to an environment. */
const OF_EVERYTHING: readonly string[] = ['tokens', 'roles', 'vault-keys'];

/** Types of what the action is done to. */
export function resourceTypesOf(action: Action): readonly string[] {
  const noun = nounOf(action);
  if (OF_INSTALLATION.includes(noun) || action === 'projects.create') return ['Installation'];
  if (OF_EVERYTHING.includes(noun)) return ['Installation', 'Project', 'Environment'];
  return noun === 'secrets' ? ['Environment', 'Secret'] : ['Project', 'Environment'];
}

/** The Cedar schema that every policy is checked against; `GET /v1/policies/schema` shows it. */
export const SCHEMA = `// Where something lies. Its id: Installation::"here", Project::"market", Environment::"market/live",
// Folder::"market/live/binance", Secret::"market/live/binance/main".
entity Installation;
entity Project in [Installation];
entity Environment in [Project];
entity Folder in [Folder, Environment];
entity Secret in [Folder, Environment];

// Who acts, by id; and what he holds at the place that is asked about.
entity Role;
entity Scope;
entity Workload;
entity Person in [Role];
entity Service in [Scope, Workload];

type Circumstances = {
  // Address that is asked from.
  network: ipaddr,
  at: datetime,
  // False in environments of kind development or testing.
  production: Bool,
  // How many others have approved just this request.
  approvals: Long,
};

${[...ACTION_GROUPS.keys()].map((name) => `action "${name}";`).join('\n')}

${GOVERNED.map(describe).join('\n')}
`;

function nounOf(action: Action): string {
  return action.slice(0, action.indexOf('.'));
}

function describe(action: Action): string {
  const groups = groupsOf(action).map((name) => `"${name}"`);
  const principals = PEOPLE_ONLY.includes(action) ? 'Person' : 'Person, Service';
  const resources = resourceTypesOf(action).join(', ');
  return `action "${action}" in [${groups.join(', ')}] appliesTo {
  principal: [${principals}], resource: [${resources}], context: Circumstances
};`;
}
