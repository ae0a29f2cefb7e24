import { type ToVerify, verify, verifyBatch } from '@keyhold/protocol/operations/verify';
import type { Verdict } from '@keyhold/protocol/verdict';
import { createVerifierClient } from '@keyhold/sdk/client';
import { JSON_FLAG } from '../api-command.ts';
import type { Command, Context } from '../command.ts';
import { readSecretFile, VERIFIER_URL_FLAGS, verifierConnectionFor } from '../connection.ts';
import { EXIT } from '../exit-codes.ts';
import { UsageError } from '../failure.ts';
import { type Flag, flagsOf } from '../flag.ts';
import { type Field, renderDetails, renderTable, time } from '../table.ts';

const VERDICT: readonly Field<Verdict>[] = [
  ['verdict', ({ code }) => code],
  ['key', ({ keyId }) => keyId],
  ['credential', ({ credentialId }) => credentialId],
  ['consumer', ({ consumerId }) => consumerId],
  ['permissions', ({ permissions }) => permissions],
  [
    'rate limits',
    ({ rateLimits }) => rateLimits?.map(({ name, limit, remaining }) => `${name}: ${remaining} of ${limit} left`),
  ],
  ['quota', ({ quota: q }) => q && `${q.remaining} of ${q.limit} left until ${time(q.resetsAt)}`],
  ['metadata', ({ metadata }) => metadata],
  ['stale', ({ stale }) => stale],
];

const KEY_FILE: Flag = { name: 'key-file', value: 'FILE', about: 'File that holds the key; without it, stdin.' };

/** One verification; the key comes from stdin or a file, never from an argument. */
export const verifyCommand: Command = {
  words: ['verify'],
  summary: 'Verify a key at the verifier; it is read from stdin or --key-file, never from an argument',
  operation: verify.id,
  positionals: [],
  flags: [KEY_FILE, ...flagsOf(verify).filter(({ field }) => field !== 'key'), JSON_FLAG, ...VERIFIER_URL_FLAGS],
  run: async ({ input, own }, { environment, terminal }) => {
    const connection = verifierConnectionFor(own, environment);
    // A signed request is verified by what is in it.
    const presented = input['request'] === undefined ? { key: await readKey(own['key-file'], terminal) } : {};
    const verdict = await createVerifierClient(connection).verify({ ...input, ...presented });
    if (own['json'] === true) terminal.print(JSON.stringify(verdict, null, 2));
    else for (const line of showVerdict(verdict as Verdict)) terminal.print(line);
    return exitCodeOf([verdict]);
  },
};

async function readKey(file: unknown, terminal: Context['terminal']): Promise<string> {
  const key = typeof file === 'string' ? readSecretFile(file, 'key') : await terminal.readSecret('key');
  if (key === '') throw new UsageError('no key: give it on stdin or by --key-file FILE');
  return key;
}

const BATCH: readonly Field<Verdict>[] = [
  ['verdict', ({ code }) => code],
  ['key', ({ keyId }) => keyId],
  ['consumer', ({ consumerId }) => consumerId],
];

/** Many at once; they come from stdin, since keys are among them. */
export const verifyBatchCommand: Command = {
  words: ['verify-batch'],
  summary: 'Verify many requests at the verifier; they are read from stdin, a JSON array of what verify takes',
  operation: verifyBatch.id,
  positionals: [],
  flags: [JSON_FLAG, ...VERIFIER_URL_FLAGS],
  run: async ({ own }, { environment, terminal }) => {
    const connection = verifierConnectionFor(own, environment);
    const requests = readRequests(await terminal.readInput());
    const { verdicts } = await createVerifierClient(connection).verifyBatch({ requests });
    if (own['json'] === true) terminal.print(JSON.stringify(verdicts, null, 2));
    else for (const line of renderTable(BATCH, verdicts as Verdict[], terminal.bold)) terminal.print(line);
    return exitCodeOf(verdicts);
  },
};

/** Not decided is not refused. */
function exitCodeOf(verdicts: readonly Pick<Verdict, 'valid' | 'code'>[]): number {
  if (verdicts.some(({ code }) => code === 'STORE_UNAVAILABLE' || code === 'VERIFIER_FENCED')) return EXIT.unreachable;
  return verdicts.every(({ valid }) => valid) ? EXIT.done : EXIT.refused;
}

function readRequests(text: string): ToVerify[] {
  try {
    const value: unknown = JSON.parse(text);
    if (Array.isArray(value)) return value as ToVerify[];
  } catch {
    // Told below, without what was given: keys may be in it.
  }
  throw new UsageError('stdin is not a JSON array of requests to verify');
}

/** Only what the verdict carries: a stranger's key has no ids. */
function showVerdict(verdict: Verdict): string[] {
  return renderDetails(
    VERDICT.filter(([, value]) => value(verdict) !== undefined),
    verdict,
  );
}
