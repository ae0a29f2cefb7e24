import { readFileSync } from 'node:fs';
import type { Context } from './command.ts';
import { COMMANDS, findCommand } from './commands/table-of-commands.ts';
import { EXIT } from './exit-codes.ts';
import { UsageError } from './failure.ts';
import { helpText } from './help.ts';
import { parseGiven, refuseSecrets } from './parse.ts';

const HELP = new Set(['--help', '-h']);

/**
 * Runs what the arguments say.
 * @returns exit code
 * @throws UsageError, and what the call throws
 */
export async function run(args: readonly string[], context: Context): Promise<number> {
  refuseSecrets(args);
  const [first] = args;
  if (first === '--version' || first === '-v') return print([version()], context);
  if (first === undefined || first === 'help' || HELP.has(first)) return print(helpText(args.slice(1)), context);
  const found = findCommand(args);
  if (found === undefined) return noCommand(args, context);
  const { command, rest } = found;
  if (rest.some((arg) => HELP.has(arg))) return print(helpText(command.words), context);
  if ('pass' in command) return await command.pass(rest);
  return await command.run(parseGiven(command, rest), context);
}

/** A noun alone names its commands; anything else is a mistake. */
function noCommand(args: readonly string[], context: Context): number {
  const words = args.filter((arg) => !arg.startsWith('-'));
  if (args.some((arg) => HELP.has(arg))) return print(helpText(words.slice(0, 2)), context);
  for (const known of [words.slice(0, 2), words.slice(0, 1)]) {
    const next = COMMANDS.flatMap((command) =>
      known.every((word, i) => command.words[i] === word) ? (command.words[known.length] ?? []) : [],
    );
    if (known.length === 0 || next.length === 0) continue;
    const said = known.join(' ');
    const listed = [...new Set(next)].join(', ');
    throw new UsageError(`${said} is followed by one of ${listed}; "keyhold help ${said}" says what each does`);
  }
  throw new UsageError(`there is no command "${args.slice(0, 2).filter(isWord).join(' ')}"; "keyhold help" lists them`);
}

/** Only what looks like a word is repeated: a mistyped line may hold a secret. */
function isWord(text: string): boolean {
  return /^[a-z-]{1,20}$/.test(text);
}

function print(lines: readonly string[], { terminal }: Context): number {
  for (const line of lines) terminal.print(line);
  return EXIT.done;
}

function version(): string {
  const manifest = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}
