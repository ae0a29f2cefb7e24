#!/usr/bin/env node
import { styleText } from 'node:util';
import type { Terminal } from './command.ts';
import { readEnvironment } from './environment.ts';
import { EXIT } from './exit-codes.ts';
import { describeFailure, failureOf } from './failure.ts';
import { readHidden } from './hidden-input.ts';
import { run } from './run.ts';

const environment = readEnvironment();
const coloured = process.stdout.isTTY === true && !environment.noColor;

const terminal: Terminal = {
  print: (line) => void process.stdout.write(`${line}\n`),
  note: (line) => void process.stderr.write(`${line}\n`),
  readInput: async () => {
    if (process.stdin.isTTY === true) terminal.note('Type it, then Enter and Ctrl-D:');
    return Buffer.concat(await process.stdin.toArray()).toString('utf8');
  },
  readSecret: async (what) => {
    if (process.stdin.isTTY !== true) return (await terminal.readInput()).trim();
    return (await readHidden(process.stdin, (text) => void process.stderr.write(text), what)).trim();
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
