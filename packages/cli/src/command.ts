import type { Environment } from './environment.ts';
import type { Flag, FlagValue } from './flag.ts';

/** Where a command reads and writes. */
export interface Terminal {
  /** A line on stdout: the answer. */
  print(line: string): void;
  /** A line on stderr: about the answer. */
  note(line: string): void;
  /** All of stdin; from a terminal what is typed until Ctrl-D, which it shows. */
  readInput(): Promise<string>;
  /** All of stdin, trimmed; from a terminal one line, which is asked for by name and not shown. */
  readSecret(what: string, isNew?: boolean): Promise<string>;
  readonly bold: (text: string) => string;
}

export interface Context {
  readonly environment: Environment;
  readonly terminal: Terminal;
}

/** What was typed behind the command's words. */
export interface Given {
  /** Values for the API, by field name: positionals and flags. */
  readonly input: Readonly<Record<string, unknown>>;
  /** Flags that are about the command itself. */
  readonly own: Readonly<Record<string, FlagValue>>;
}

export interface Positional {
  /** Name of the path parameter. */
  readonly field: string;
  /** As help shows it. */
  readonly label: string;
}

/** One row of the table of commands. */
export interface Command {
  /** `['keys', 'issue']` */
  readonly words: readonly string[];
  readonly summary: string;
  /** Id of the operation that it is the face of. */
  readonly operation?: string;
  readonly positionals: readonly Positional[];
  readonly flags: readonly Flag[];
  /** @returns exit code */
  run(given: Given, context: Context): Promise<number>;
}

/** A command whose arguments belong to the server: they are passed on unread. */
export interface PassThrough {
  readonly words: readonly string[];
  readonly summary: string;
  readonly usage: string;
  pass(args: readonly string[]): Promise<number>;
}
