import { writeFileSync } from 'node:fs';
import { PUBLIC_KEY_ALGORITHMS, type PublicKeyAlgorithm } from '@keyhold/protocol/state';
import { generateSigningKey, provePossession } from '@keyhold/sdk/signing/local-key';
import type { Command } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { UsageError } from '../failure.ts';
import type { Flag } from '../flag.ts';

const FLAGS: readonly Flag[] = [
  { name: 'algorithm', value: PUBLIC_KEY_ALGORITHMS.join('|'), required: true, read: readAlgorithm },
  {
    name: 'environment',
    value: 'PROJECT/ENVIRONMENT',
    required: true,
    read: (text) => (/^[^/\s]+\/[^/\s]+$/.test(text) ? text : undefined),
    about: 'Where the key is to be used; the proof is good there only.',
  },
  {
    name: 'holder',
    value: 'ID',
    required: true,
    about: 'Consumer that the key is issued to, or key that is rotated; the proof is of no use to another.',
  },
  {
    name: 'output',
    value: 'FILE',
    required: true,
    about: 'Gets the private key, readable by its owner only; a file that is there is never overwritten.',
  },
];

/** Nothing is sent: the private key is made here and stays here. */
export const generateCommand: Command = {
  words: ['keys', 'generate'],
  summary: 'Generate a key pair on this machine; what is printed goes to --credential of keys issue or keys rotate',
  positionals: [],
  flags: FLAGS,
  run: async ({ own }, { terminal }) => {
    const [algorithm, environment, holder, output] = FLAGS.map(({ name }) => String(own[name])) as Four;
    const key = await generateSigningKey(algorithm as PublicKeyAlgorithm);
    const credential = await provePossession(key, { environment, holder });
    writeNew(output, key.privateKey);
    terminal.print(JSON.stringify(credential));
    terminal.note(`The private key is in ${output}. The proof is good for ten minutes.`);
    return EXIT.done;
  },
};

type Four = [string, string, string, string];

function readAlgorithm(text: string): string | undefined {
  return PUBLIC_KEY_ALGORITHMS.find((algorithm) => algorithm === text);
}

/** INVARIANT: a private key that is there is never written over, nor through a link that somebody put there. */
function writeNew(file: string, text: string): void {
  try {
    writeFileSync(file, text, { flag: 'wx', mode: 0o600, flush: true });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') throw new UsageError(`${file} is there already, and is not overwritten`);
    throw new UsageError(`${file} cannot be written (${code})`);
  }
}
