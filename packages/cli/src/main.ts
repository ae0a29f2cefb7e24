#!/usr/bin/env node
import { styleText } from 'node:util';
import { printable } from '@keyhold/auditor/printable';
import type { Terminal } from './command.ts';
import { readEnvironment } from './environment.ts';
import { EXIT } from './exit-codes.ts';
import { describeFailure, failureOf, UsageError } from './failure.ts';
import { readHidden } from './hidden-input.ts';
import { run } from './run.ts';

const environment = readEnvironment();
const coloured = process.stdout.isTTY === true && !environment.noColor;

const terminal: Terminal = {
  print: (line) => void process.stdout.write(`${line}\n`),
  // It may repeat what a server said.
  note: (line) => void process.stderr.write(`${printable(line)}\n`),
  readInput: async () => {
    if (process.stdin.isTTY === true) terminal.note('Type it, then Enter and Ctrl-D:');
    return Buffer.concat(await process.stdin.toArray()).toString('utf8');
  },
  readSecret: async (what, isNew = false) => {
    const { stdin, stderr } = process;
    if (stdin.isTTY !== true) return (await terminal.readInput()).trim();
    const ask = async (label: string) => (await readHidden(stdin, (text) => void stderr.write(text), label)).trim();
    const typed = await ask(what);
    if (isNew && typed !== '' && (await ask(`${what} again`)) !== typed) {
      throw new UsageError('the two are not the same; nothing was changed');
    }
    return typed;
  },
  bold: (text) => (coloured ? styleText('bold', text) : text),
};

// A reader that has seen enough (`keyhold keys list | head`) is no fault.
process.stdout.on('error', (error: NodeJS.ErrnoException) =>
  process.exit(error.code === 'EPIPE' ? EXIT.done : EXIT.unreachable),
);

const args = process.argv.slice(2);
try {
  process.exitCode = await run(args, { environment, terminal });
} catch (error) {
  const failure = failureOf(error);
  terminal.note(args.includes('--json') ? JSON.stringify(failure) : describeFailure(failure, args));
  process.exitCode = failure.exitCode;
}
