import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { canonicalJson } from '@keyhold/protocol/canonical-json';
import type { Exposure, Offboarding } from '@keyhold/protocol/operations/offboarding';
import * as operations from '@keyhold/protocol/operations/offboarding';
import { type Client, createClient } from '@keyhold/sdk/client';
import { apiCommand, listCommand, pages } from '../api-command.ts';
import type { Command } from '../command.ts';
import { connectionFor, URL_FLAGS } from '../connection.ts';
import { EXIT } from '../exit-codes.ts';
import { type Field, renderDetails, time } from '../table.ts';

const OFFBOARDING: readonly Field<Offboarding>[] = [
  ['id', ({ id }) => id],
  ['of', ({ of, name }) => (name === null ? of : `${name} (${of})`)],
  ['reason', ({ reason }) => reason],
  ['state', ({ state }) => state],
  ['knew', ({ exposures }) => exposures],
  ['kept', ({ kept }) => kept],
  ['list', ({ listDigest }) => listDigest],
  ['entry', ({ sequence }) => sequence],
  ['created', ({ createdAt }) => time(createdAt)],
  ['unattributed', ({ unattributed }) => unattributed],
];

const whereOf = ({ project, environment }: Exposure) =>
  project === null ? '' : environment === null ? project : `${project}/${environment}`;

const EXPOSURE: readonly Field<Exposure>[] = [
  ['kind', ({ kind }) => kind],
  ['id', ({ id }) => id],
  ['name', ({ name }) => name],
  ['at', whereOf],
  ['part', ({ part }) => part],
  ['how', ({ how }) => how],
  ['entry', ({ last }) => last],
  ['state', ({ state, endsAt }) => (endsAt === null ? state : `${state} ${time(endsAt)}`)],
  ['remedy', ({ remedy }) => remedy],
];

const LABELS = ['OFFBOARDING'];

const evidence: Command = {
  words: ['offboardings', 'evidence'],
  summary: 'Write the list of what he knew to a file, checked against the digest in its entry',
  operation: operations.listOffboardingExposures.id,
  positionals: [{ field: 'id', label: 'OFFBOARDING' }],
  flags: [{ name: 'output', value: 'FILE', required: true }, ...URL_FLAGS],
  run: async ({ input, own }, { environment, terminal }) => {
    const client = createClient(connectionFor(own, environment));
    const id = String(input['id']);
    const { offboarding } = await client.offboardings.get({ id });
    const lines: string[] = [];
    for await (const page of pages<Exposure>(client.offboardings.listExposures as never, { id, limit: 200 }, true))
      lines.push(...page.items.map(lineOf));
    const text = lines.join('');
    const digest = createHash('sha256').update(text).digest('hex');
    const said = await codeOf(client, offboarding.sequence);
    if (digest !== said) {
      terminal.note(`The list hashes to ${digest}, and its entry says ${said ?? 'nothing'}: it is not what was made.`);
      return EXIT.refused;
    }
    writeFileSync(String(own['output']), text);
    terminal.print(`list     ${own['output']}, ${lines.length} lines, SHA-256 ${digest}`);
    terminal.print(`receipt  keyhold audit receipt ${offboarding.sequence}: the entry says the same digest`);
    return EXIT.done;
  },
};

/** What the entry itself says that the list hashes to. */
async function codeOf(client: Client, sequence: number | null): Promise<string | undefined> {
  if (sequence === null) return undefined;
  const { items } = await client.audit.list({ from: sequence, to: sequence });
  const leaf = JSON.parse(items[0]?.leaf ?? '{}') as { readonly action?: string; readonly code?: string };
  return leaf.action === 'offboarding.listed' ? leaf.code : undefined;
}

/** As the digest is of: the log's own words, without what has become of it since. */
function lineOf({ kind, id, part, how, by, first, last, times }: Exposure): string {
  return `${canonicalJson({ kind, id, part, how, by, first, last, times })}\n`;
}

/** `exposures`, `offboardings`. */
export const OFFBOARDING_COMMANDS: readonly Command[] = [
  listCommand({
    words: ['exposures', 'list'],
    operation: operations.listExposures,
    call: (client) => client.offboardings.listKnown,
    columns: EXPOSURE,
  }),
  apiCommand({
    words: ['offboardings', 'create'],
    operation: operations.createOffboarding,
    call: (client) => client.offboardings.create,
    show: ({ offboarding }) => renderDetails(OFFBOARDING, offboarding),
    taken: () => 'ended',
  }),
  listCommand({
    words: ['offboardings', 'list'],
    operation: operations.listOffboardings,
    call: (client) => client.offboardings.list,
    columns: OFFBOARDING,
  }),
  apiCommand({
    words: ['offboardings', 'show'],
    operation: operations.getOffboarding,
    call: (client) => client.offboardings.get,
    labels: LABELS,
    show: ({ offboarding }) => renderDetails(OFFBOARDING, offboarding),
  }),
  listCommand({
    words: ['offboardings', 'exposures'],
    operation: operations.listOffboardingExposures,
    call: (client) => client.offboardings.listExposures,
    labels: LABELS,
    columns: EXPOSURE,
  }),
  apiCommand({
    words: ['offboardings', 'rotate'],
    operation: operations.rotateExposed,
    call: (client) => client.offboardings.rotate,
    labels: LABELS,
    refused: ({ refused }) => refused.length > 0,
    show: ({ rotated, due, refused, remaining, byHand }) => [
      ...rotated.map(({ key, consumer, credential, delivery }) => {
        if (delivery === null) return `ended    what he knew of ${key} of ${consumer}: it goes on with ${credential}`;
        const to = 'path' in delivery ? `: ${delivery.path}` : `\n${delivery.encrypted}`;
        return `rotated  ${key} of ${consumer}${to}`;
      }),
      ...due.map((id) => `due      ${id}: store a new version`),
      ...refused.map(({ id, code, detail }) => `refused  ${id}: ${code}, ${detail}`),
      ...(remaining === 0 ? [] : [`left     ${remaining}: run it again`]),
      ...(byHand === 0 ? [] : [`by hand  ${byHand}: keyhold offboardings exposures says what each takes`]),
    ],
  }),
  evidence,
];
