import { createHash } from 'node:crypto';
import { createWriteStream, renameSync, rmSync, writeFileSync } from 'node:fs';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream } from 'node:stream/web';
import { CONFIRMATION_HEADER } from '@keyhold/protocol/confirmation';
import { type Drill, recordDrill } from '@keyhold/protocol/operations/backup';
import { addressOf } from '@keyhold/sdk/address';
import { type CallOptions, createClient } from '@keyhold/sdk/client';
import { KeyholdError, problemFrom } from '@keyhold/sdk/keyhold-error';
import { JSON_FLAG } from '../api-command.ts';
import type { Command } from '../command.ts';
import { connectionFor, URL_FLAGS } from '../connection.ts';
import { EXIT } from '../exit-codes.ts';
import { runServer } from '../run-server.ts';
import { withPerson } from '../with-person.ts';

/** What lies beside a backup, in the clear: enough to find the right one and to see that it arrived whole. */
interface Manifest {
  readonly installation: string;
  readonly sequence: number;
  readonly bytes: number;
  readonly sha256: string;
  readonly recipients: readonly string[];
}

const create: Command = {
  words: ['backup', 'create'],
  summary: 'Write a consistent backup of everything, encrypted to age recipients, while serving',
  positionals: [],
  flags: [
    { name: 'recipient', field: 'recipients', value: 'AGE-PUBLIC-KEY', repeatable: true, required: true },
    { name: 'output', value: 'FILE', required: true, about: 'A manifest lies beside it, as FILE.json.' },
    JSON_FLAG,
    ...URL_FLAGS,
  ],
  run: async ({ input, own }, { environment, terminal }) => {
    const { url, token } = connectionFor(own, environment);
    const output = String(own['output']);
    const recipients = input['recipients'] as string[];
    const ask = async ({ confirmation }: CallOptions) => {
      const response = await fetch(addressOf(url, '/v1/backup'), {
        method: 'POST',
        headers: {
          ...{ authorization: `Bearer ${token}`, 'content-type': 'application/json' },
          ...(confirmation === undefined ? {} : { [CONFIRMATION_HEADER]: confirmation }),
        },
        body: JSON.stringify({ recipients }),
        redirect: 'manual',
      });
      if (!response.ok || response.body === null) throw new KeyholdError(await problemFrom(response));
      return { headers: response.headers, body: response.body };
    };
    const response = await withPerson(ask, url, terminal);
    const written = await writeWhole(output, response.body as unknown as ReadableStream<Uint8Array>);
    const manifest: Manifest = {
      installation: response.headers.get('keyhold-installation') ?? '',
      sequence: Number(response.headers.get('keyhold-sequence')),
      ...written,
      recipients,
    };
    writeFileSync(`${output}.json`, `${JSON.stringify(manifest, null, 2)}\n`, { mode: 0o600 });
    if (own['json'] === true) terminal.print(JSON.stringify(manifest, null, 2));
    else {
      terminal.print(`backup  ${output}, ${manifest.bytes} bytes, up to entry ${manifest.sequence}`);
      terminal.note('The key of the seal is not in it: keep the key file, passphrase or shares apart from it.');
    }
    return EXIT.done;
  },
};

/** Whole or not at all: a file that was cut off never has the name. */
async function writeWhole(
  output: string,
  body: ReadableStream<Uint8Array>,
): Promise<Pick<Manifest, 'bytes' | 'sha256'>> {
  const partial = `${output}.partial`;
  const digest = createHash('sha256');
  let bytes = 0;
  const count = new Transform({
    transform: (chunk: Buffer, _encoding, done) => {
      digest.update(chunk);
      bytes += chunk.length;
      done(null, chunk);
    },
  });
  try {
    await pipeline(Readable.fromWeb(body), count, createWriteStream(partial, { mode: 0o600, flush: true }));
    renameSync(partial, output);
  } catch (error) {
    rmSync(partial, { force: true });
    throw error;
  }
  return { bytes, sha256: digest.digest('hex') };
}

/** Also `restore --drill`. */
export const drill: Command = {
  words: ['backup', 'drill'],
  summary: 'Restore a backup beside, open all that is encrypted in it, report, and leave an entry',
  operation: recordDrill.id,
  positionals: [],
  flags: [
    { name: 'input', value: 'FILE', required: true },
    { name: 'identity-file', value: 'FILE', required: true, about: 'File that holds the age identity.' },
    {
      ...{ name: 'input-file', field: 'inputFiles', value: 'FILE', repeatable: true },
      about: 'File that holds the passphrase, the PIN or one share of its seal; as often as it takes shares.',
    },
    ...URL_FLAGS,
  ],
  run: async ({ input, own }, { environment, terminal }) => {
    const client = createClient(connectionFor(own, environment));
    let report: Drill | undefined;
    const args = ['--drill', '--input', String(own['input']), '--identity-file', String(own['identity-file'])];
    for (const file of (input['inputFiles'] ?? []) as string[]) args.push('--input-file', file);
    const code = await runServer('restore', args, (message) => {
      report = message as Drill;
    });
    // It could not be made: nothing was found. One that was made and told nothing is no drill.
    if (report === undefined) return code === EXIT.done ? EXIT.refused : code;
    const { installation, sequence, hash, rows, envelopes, sides, failed } = report;
    const recorded = await client.backup.recordDrill({ installation, sequence, hash, rows, envelopes, sides, failed });
    terminal.print(`entered   ${recorded.sequence}`);
    return failed === null ? EXIT.done : EXIT.refused;
  },
};

/** `backup`. */
export const BACKUP_COMMANDS: readonly Command[] = [create, drill];
