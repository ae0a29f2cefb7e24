import { isServer, roomOf } from './places.ts';

type Kind = 'noun' | 'use case' | 'store' | 'routes' | 'jobs' | 'mechanism';

/**
 * Rooms about the product's own words. The rooms below them (feed, audit, vault, ledger, http, database) hold
 * mechanism, whose nouns are machines with clocks and sockets.
 */
const DOMAIN_ROOMS = new Set([
  ...['compliance', 'incidents', 'monitoring', 'agents', 'broker', 'verification'],
  ...['keys', 'secrets', 'signers', 'delivery', 'projects', 'access'],
]);

/**
 * What a use case's file name may begin with. What begins otherwise is a noun and held to a noun's rules, so a new verb
 * is refused until it is written here.
 */
const VERBS = new Set([
  ...[
    'accept',
    'acknowledge',
    'admit',
    'allow',
    'answer',
    'approve',
    'ask',
    'assign',
    'authenticate',
    'authorise',
    'change',
    'check',
  ],
  ...[
    'close',
    'confirm',
    'create',
    'decide',
    'deliver',
    'destroy',
    'detect',
    'enrol',
    'end',
    'ensure',
    'exchange',
    'expire',
    'find',
    'finish',
    'hand',
    'insert',
    'invite',
    'lapse',
    'refuse',
    'renew',
    'replace',
    'grant',
    'import',
  ],
  ...[
    'issue',
    'link',
    'list',
    'locate',
    'notify',
    'open',
    'read',
    'receive',
    'record',
    'reject',
    'remove',
    'report',
    'resume',
  ],
  ...[
    'prepare',
    'preview',
    'reveal',
    'revoke',
    'rewrap',
    'rotate',
    'run',
    'save',
    'send',
    'set',
    'show',
    'sign',
    'spawn',
    'start',
    'store',
    'suspend',
    'sync',
    'take',
  ],
  ...['update', 'verify', 'view', 'withdraw', 'write'],
]);

/** Names that say another kind than their file is of, each with what it does. */
const BY_NAME: Readonly<Record<string, { readonly kind: Kind; readonly why: string }>> = {
  'packages/server/src/access/bootstrap-use.ts': { kind: 'use case', why: 'enters the use of the bootstrap token' },
  'packages/server/src/access/own-tokens.ts': { kind: 'use case', why: "makes the installation's own tokens" },
  'packages/server/src/access/sign-on/sign-on.ts': { kind: 'noun', why: 'is the provider, and begins like a verb' },
  'packages/server/src/keys/new-credential.ts': { kind: 'use case', why: 'makes a credential' },
  'packages/server/src/projects/token-places.ts': { kind: 'use case', why: 'finds what a token is bound to' },
  'packages/server/src/verification/feed-source.ts': { kind: 'use case', why: 'reads what the feed sends' },
  'packages/server/src/verification/places.ts': { kind: 'use case', why: 'loads the names of projects' },
  'packages/server/src/verification/usage-log.ts': { kind: 'mechanism', why: 'enters what verifiers counted' },
  'packages/server/src/verification/verifier-process.ts': { kind: 'mechanism', why: 'wires the verifier process' },
  'packages/server/src/verification/verify-route.ts': { kind: 'routes', why: 'is the one route of that process' },
};

/** What a file of the server is, by its name. */
export function kindOf(path: string): Kind {
  if (Object.hasOwn(BY_NAME, path)) return BY_NAME[path]?.kind ?? 'noun';
  const kind = /\.(store|routes|jobs)\.ts$/.exec(path)?.[1];
  if (kind !== undefined) return kind as Kind;
  if (!isServer(path) || !DOMAIN_ROOMS.has(roomOf(path))) return 'mechanism';
  const verb = path.split('/').at(-1)?.split(/[-.]/)[0] ?? '';
  return VERBS.has(verb) ? 'use case' : 'noun';
}
