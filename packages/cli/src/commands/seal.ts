import type { Seal } from '@keyhold/protocol/operations/seal';
import * as operations from '@keyhold/protocol/operations/seal';
import type { Rotation } from '@keyhold/protocol/operations/vault';
import * as vault from '@keyhold/protocol/operations/vault';
import { createClient } from '@keyhold/sdk/client';
import { apiCommand, JSON_FLAG } from '../api-command.ts';
import type { Command, Context, Given } from '../command.ts';
import { connectionFor, readSecretFile, URL_FLAGS } from '../connection.ts';
import { EXIT } from '../exit-codes.ts';
import { UsageError } from '../failure.ts';
import { type Flag, flagsOf } from '../flag.ts';
import { type Field, renderDetails, renderTable } from '../table.ts';

const SEAL: readonly Field<Seal>[] = [
  ['seal', ({ kind }) => kind],
  ['state', ({ sealed }) => (sealed ? 'sealed' : 'unsealed')],
  ['root key version', ({ rootVersion }) => rootVersion],
  ['under the old one', ({ rootPending }) => (rootPending === 0 ? 'no key' : `${rootPending} keys to re-wrap`)],
];

const TOKEN: readonly Field<NonNullable<Seal['pkcs11']>>[] = [
  ['module', ({ module }) => module],
  ['token', ({ tokenLabel }) => tokenLabel],
  ['key', ({ keyLabel }) => keyLabel],
  ['PIN', ({ pinFile }) => pinFile ?? 'given each time'],
];

/** What of a change is a secret, by kind: it is read, never an argument. */
const SECRETS: Readonly<Record<string, 'passphrase' | 'pin'>> = { passphrase: 'passphrase', pkcs11: 'pin' };
const NAMES = { passphrase: 'passphrase', pin: 'PIN' } as const;

const INPUT_FILE: Flag = {
  name: 'input-file',
  value: 'FILE',
  about: 'File that holds the passphrase, share or PIN; without it, stdin.',
};

function showSeal(seal: Seal): string[] {
  const lines = renderDetails(SEAL, seal);
  if (seal.pkcs11 !== null) lines.push(...renderDetails(TOKEN, seal.pkcs11));
  if (seal.shares !== null) lines.push(`shares  ${seal.threshold} of ${seal.shares} open it`);
  if (seal.attempt === null) return lines;
  const { given, threshold } = seal.attempt;
  return [...lines, `given  ${given.length} of ${threshold}${given.length === 0 ? '' : `: ${given.join(', ')}`}`];
}

/** What opens a seal comes from a file or stdin, never from an argument. */
async function readInput(
  own: Given['own'],
  terminal: Context['terminal'],
  what: string,
  isNew = false,
): Promise<string> {
  const file = own['input-file'];
  const text = typeof file === 'string' ? readSecretFile(file, what) : await terminal.readSecret(what, isNew);
  if (text === '') throw new UsageError(`no ${what}: give it on stdin or by --input-file FILE`);
  return text;
}

function print(answer: unknown, lines: readonly string[], own: Given['own'], terminal: Context['terminal']): number {
  if (own['json'] === true) terminal.print(JSON.stringify(answer, null, 2));
  else for (const line of lines) terminal.print(line);
  return EXIT.done;
}

const unseal: Command = {
  words: ['seal', 'open'],
  summary: 'Unseal: reads the passphrase, one share, or the PIN from stdin or --input-file',
  operation: operations.unseal.id,
  positionals: [],
  flags: [INPUT_FILE, { name: 'reset', about: 'Forget the shares given so far.' }, JSON_FLAG, ...URL_FLAGS],
  run: async ({ own }, { environment, terminal }) => {
    const { seal: client } = createClient(connectionFor(own, environment));
    const { kind, attempt, pkcs11 } = await client.get();
    // Where it lies at the server, it is asked for only when it is given.
    const hasPin = (pkcs11?.pinFile ?? null) !== null && own['input-file'] === undefined;
    const input = async () => {
      if (own['reset'] === true) return { reset: true as const };
      if (kind === 'file' || hasPin) return {};
      const secret = SECRETS[kind];
      if (secret !== undefined) return { [secret]: await readInput(own, terminal, NAMES[secret]) };
      return { share: await readInput(own, terminal, 'share'), nonce: attempt?.nonce ?? '' };
    };
    const seal = await client.unseal(await input());
    return print(seal, showSeal(seal), own, terminal);
  },
};

const change: Command = {
  words: ['seal', 'change'],
  summary: 'Change the seal; a new passphrase, or a PIN, is read from stdin or --input-file',
  operation: operations.changeSeal.id,
  positionals: [],
  flags: [
    ...flagsOf(operations.changeSeal).filter(({ field }) => field !== 'passphrase' && field !== 'pin'),
    INPUT_FILE,
    JSON_FLAG,
    ...URL_FLAGS,
  ],
  run: async ({ input, own }, { environment, terminal }) => {
    const { seal: client } = createClient(connectionFor(own, environment));
    const secret = input['pinFile'] === undefined ? SECRETS[String(input['kind'])] : undefined;
    // A passphrase that nobody knows as he typed it closes the seal for good.
    const isNew = secret === 'passphrase';
    const read = secret === undefined ? {} : { [secret]: await readInput(own, terminal, NAMES[secret], isNew) };
    // The types of input are lost at the terminal: the server checks it against the operation's schema.
    const changed = await client.change({ ...input, ...read } as Parameters<typeof client.change>[0]);
    const { shares = [] } = changed;
    const lines = [...showSeal(changed.seal), ...shares.map((share) => `share  ${share}`)];
    if (shares.length > 0) {
      terminal.note('The shares will not be shown again: give each to its holder.');
      terminal.note('The seal changes once enough of them come back: keyhold seal confirm, share by share.');
    }
    return print(changed, lines, own, terminal);
  },
};

const confirm: Command = {
  words: ['seal', 'confirm'],
  summary: 'Give back one share of a change that began, from stdin or --input-file; with enough the new seal counts',
  operation: operations.confirmSeal.id,
  positionals: [],
  flags: [INPUT_FILE, JSON_FLAG, ...URL_FLAGS],
  run: async ({ own }, { environment, terminal }) => {
    const { seal: client } = createClient(connectionFor(own, environment));
    const { attempt } = await client.get();
    const share = await readInput(own, terminal, 'share');
    const seal = await client.confirm({ share, nonce: attempt?.nonce ?? '' });
    return print(seal, showSeal(seal), own, terminal);
  },
};

const KEY: readonly Field<Rotation['keys'][number]>[] = [
  ['key', ({ id }) => id],
  ['purpose', ({ purpose }) => purpose],
  ['version', ({ version }) => version],
  ['root', ({ rootVersion }) => rootVersion],
  ['encrypts', ({ newest }) => (newest ? 'yes' : 'no')],
  ['envelopes', ({ rows }) => rows],
];

function showRotation({ keys, pending }: Rotation): string[] {
  return [...renderTable(KEY, [...keys]), '', pending === 0 ? 'everything is re-wrapped' : `${pending} to re-wrap`];
}

/** `seal`, `vault-keys`. */
export const SEAL_COMMANDS: readonly Command[] = [
  apiCommand({
    words: ['seal', 'get'],
    operation: operations.getSeal,
    call: (client) => client.seal.get,
    show: showSeal,
  }),
  unseal,
  apiCommand({
    words: ['seal', 'close'],
    operation: operations.sealInstallation,
    call: (client) => client.seal.seal,
    show: showSeal,
  }),
  change,
  confirm,
  apiCommand({
    words: ['vault-keys', 'get'],
    operation: vault.getRotation,
    call: (client) => client.vaultKeys.get,
    show: showRotation,
  }),
  apiCommand({
    words: ['vault-keys', 'rotate'],
    operation: vault.rotateEnvironmentKeys,
    call: (client) => client.vaultKeys.rotate,
    show: showRotation,
  }),
  apiCommand({
    words: ['vault-keys', 'rotate-root'],
    operation: vault.rotateRootKey,
    call: (client) => client.vaultKeys.rotateRoot,
    show: ({ rootVersion, pending }) => [`root key version  ${rootVersion}`, `to re-wrap        ${pending}`],
  }),
];
