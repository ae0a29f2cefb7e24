import { parseArgs } from 'node:util';
import { credentialPrefixLength } from '@keyhold/protocol/credential-format';
import type { Command, Given } from './command.ts';
import { UsageError } from './failure.ts';
import { type Flag, type FlagValue, readFlag } from './flag.ts';

/**
 * Refuses secrets before anything else looks at the arguments: on most machines everybody can read them while the
 * command runs, and the shell keeps them.
 * @throws UsageError that does not repeat them
 */
export function refuseSecrets(args: readonly string[]): void {
  for (const [i, arg] of args.entries()) {
    if (/^--?(?:token|key|secret|password)(?:=|$)/.test(arg)) {
      throw new UsageError(
        `${arg.split('=')[0]} is not taken: arguments can be read by everybody on this machine and stay in the ` +
          "shell's history. Give a token by --token-file FILE, KEYHOLD_TOKEN_FILE or KEYHOLD_TOKEN, and a key to " +
          'verify on stdin or by --key-file FILE.',
      );
    }
    const value = arg.startsWith('-') ? arg.slice(arg.indexOf('=') + 1) : arg;
    if (credentialPrefixLength(value) > 0) {
      throw new UsageError(
        `argument ${i + 1} is a key or token. Arguments can be read by everybody on this machine and stay in the ` +
          "shell's history: revoke it, and give the next one by a file or on stdin.",
      );
    }
  }
}

/**
 * Reads what stands behind the command's words.
 * @throws UsageError naming the flag or the position
 */
export function parseGiven(command: Command, args: readonly string[]): Given {
  const { values, positionals } = tokens(command.flags, args);
  const input: Record<string, unknown> = {};
  const own: Record<string, FlagValue> = {};
  for (const [i, { field, label }] of command.positionals.entries()) {
    const value = positionals[i];
    if (value === undefined || value === '') throw new UsageError(`${label} is missing`);
    input[field] = value;
  }
  if (positionals.length > command.positionals.length) {
    throw new UsageError(`${positionals.length - command.positionals.length} argument(s) too many`);
  }
  for (const flag of command.flags) {
    const texts = values[flag.name];
    if (texts === undefined) {
      if (flag.required === true) throw new UsageError(`--${flag.name} ${flag.value} is missing`);
    } else if (flag.field !== undefined) input[flag.field] = readFlag(flag, texts.map(String));
    else own[flag.name] = flag.value === undefined ? true : String(readFlag(flag, texts.map(String)));
  }
  return { input, own };
}

function tokens(flags: readonly Flag[], args: readonly string[]) {
  const options = Object.fromEntries(
    flags.map(({ name, value }) => [
      name,
      { type: value === undefined ? ('boolean' as const) : ('string' as const), multiple: true as const },
    ]),
  );
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true });
  } catch (error) {
    // Node's first sentence names the flag; the second is advice for another case.
    throw new UsageError((error as Error).message.replace(/\. .*$/s, ''));
  }
}
