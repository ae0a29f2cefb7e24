import type { Command, PassThrough } from './command.ts';
import { COMMANDS } from './commands/table-of-commands.ts';
import { EXIT_TEXTS } from './exit-codes.ts';
import { UsageError } from './failure.ts';
import type { Flag } from './flag.ts';

/** Help on everything, on a noun (`keys`) or on one command (`keys issue`). */
export function helpText(words: readonly string[]): string[] {
  if (words.length === 0) return overview();
  const found = COMMANDS.filter((command) => words.every((word, i) => command.words[i] === word));
  const [only] = found;
  if (only === undefined) throw new UsageError('there is no such command; "keyhold help" lists them');
  return found.length === 1 ? commandHelp(only) : ['Commands:', ...lines(found.map(brief))];
}

function overview(): string[] {
  return [
    'keyhold: keys that are issued, verified, rotated and revoked',
    '',
    'Commands:',
    ...lines([
      ...COMMANDS.map(brief),
      ['help [COMMAND]', 'Show this, or the flags of a command'],
      ['--version', 'Show it'],
    ]),
    '',
    'Connection:',
    ...lines([
      ['--url URL', 'control plane; else KEYHOLD_URL, else http://127.0.0.1:7070'],
      ['--verifier-url URL', 'verifier; else KEYHOLD_VERIFIER_URL, else http://127.0.0.1:7071'],
      ['--token-file FILE', 'else KEYHOLD_TOKEN_FILE, KEYHOLD_TOKEN, "keyhold sign-in", $KEYHOLD_DATA/bootstrap-token'],
    ]),
    '',
    'Exit codes:',
    ...lines(EXIT_TEXTS.map(([code, text]) => [String(code), text])),
  ];
}

function outline(command: Command | PassThrough): [string, string] {
  const labels = 'positionals' in command ? command.positionals.map(({ label }) => label) : [];
  return [[...command.words, ...labels].join(' '), command.summary];
}

/** The first half of a summary says what it does; the second, what to know about it. */
function brief(command: Command | PassThrough): [string, string] {
  const [usage, summary] = outline(command);
  return [usage, summary.split(/[;:]/)[0] as string];
}

function commandHelp(command: Command | PassThrough): string[] {
  const usage = `keyhold ${outline(command)[0]}`;
  if (!('flags' in command)) return [`${usage} ${command.usage}`, '', `${command.summary}.`];
  const operation = command.operation === undefined ? [] : ['', `API operation: ${command.operation}`];
  return [
    `${usage} [flags]`,
    '',
    `${command.summary}.`,
    ...operation,
    '',
    'Flags:',
    ...lines(command.flags.map(describeFlag)),
  ];
}

function describeFlag({ name, value, required, repeatable, clearable, about }: Flag): [string, string] {
  const marks = [
    ...(required === true ? ['required'] : []),
    ...(repeatable === true ? ['repeatable'] : []),
    ...(clearable === true && required !== true ? ['"none" clears it'] : []),
  ];
  const text = [about ?? '', marks.length === 0 ? '' : `(${marks.join(', ')})`].filter((part) => part !== '').join(' ');
  return [value === undefined ? `--${name}` : `--${name} ${value}`, text];
}

const LONGEST_LEFT = 44;

function lines(pairs: readonly (readonly [string, string])[]): string[] {
  const left = Math.min(LONGEST_LEFT, Math.max(...pairs.map(([text]) => text.length)));
  return pairs.map(([text, about]) =>
    `  ${text.length > left ? `${text}\n  ${' '.repeat(left)}` : text.padEnd(left)}  ${about}`.trimEnd(),
  );
}
