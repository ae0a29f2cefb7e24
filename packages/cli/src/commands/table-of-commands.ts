import type { Command, PassThrough } from '../command.ts';
import { TOKEN_COMMANDS } from './access.ts';
import { APPROVAL_COMMANDS } from './approvals.ts';
import { AUDIT_COMMANDS } from './audit.ts';
import { EXPORT_COMMANDS } from './audit-exports.ts';
import { generateCommand } from './generate-key.ts';
import { INSTALLATION_COMMANDS } from './installation.ts';
import { BACKUP_COMMANDS, drill } from './backup.ts';
import { FACTOR_COMMANDS } from './factors.ts';
import { KEY_COMMANDS } from './keys.ts';
import { OFFBOARDING_COMMANDS } from './offboarding.ts';
import { PEOPLE_COMMANDS } from './people.ts';
import { POLICY_COMMANDS } from './policies.ts';
import { PROJECT_COMMANDS } from './projects.ts';
import { SECRET_COMMANDS } from './secrets.ts';
import { SEAL_COMMANDS } from './seal.ts';
import { SERVER_COMMANDS } from './serve.ts';
import { SIGN_ON_COMMANDS } from './sign-on.ts';
import { SIGN_IN_COMMANDS } from './sign-in.ts';
import { verifyBatchCommand, verifyCommand } from './verify.ts';
import { WORKLOAD_COMMANDS } from './workloads.ts';

/** Every command, in the order of `keyhold help`. */
export const COMMANDS: readonly (Command | PassThrough)[] = [
  ...SERVER_COMMANDS,
  ...SIGN_IN_COMMANDS,
  ...PEOPLE_COMMANDS,
  ...SIGN_ON_COMMANDS,
  ...OFFBOARDING_COMMANDS,
  ...APPROVAL_COMMANDS,
  ...POLICY_COMMANDS,
  ...PROJECT_COMMANDS,
  ...FACTOR_COMMANDS,
  generateCommand,
  ...KEY_COMMANDS,
  ...TOKEN_COMMANDS,
  ...WORKLOAD_COMMANDS,
  ...SECRET_COMMANDS,
  ...SEAL_COMMANDS,
  ...BACKUP_COMMANDS,
  ...AUDIT_COMMANDS,
  ...EXPORT_COMMANDS,
  ...INSTALLATION_COMMANDS,
  verifyBatchCommand,
  verifyCommand,
];

/** The command that the arguments begin with, and what stands behind its words. */
export function findCommand(args: readonly string[]): { command: Command | PassThrough; rest: string[] } | undefined {
  // Whoever drills leaves an entry, which the server's own `restore --drill` cannot.
  if (args[0] === 'restore' && args.includes('--drill'))
    return { command: drill, rest: args.slice(1).filter((arg) => arg !== '--drill') };
  const command = COMMANDS.find(({ words }) => words.every((word, i) => args[i] === word));
  return command === undefined ? undefined : { command, rest: args.slice(command.words.length) };
}
