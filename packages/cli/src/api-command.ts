import { printable } from '@keyhold/auditor/printable';
import type { AckLevel } from '@keyhold/protocol/acknowledgement';
import type { Operation, Response } from '@keyhold/protocol/operation';
import type { Barrier } from '@keyhold/protocol/operations/shapes';
import { type Call, type CallOptions, type Client, createClient } from '@keyhold/sdk/client';
import type { Acknowledged } from '@keyhold/sdk/request';
import { describeBarrier } from './barrier.ts';
import type { Command, Context, Given, Positional } from './command.ts';
import { connectionFor, URL_FLAGS } from './connection.ts';
import { EXIT } from './exit-codes.ts';
import { UsageError } from './failure.ts';
import { withPerson } from './with-person.ts';
import { type Flag, flagsOf } from './flag.ts';
import { type Field, renderTable } from './table.ts';

/** One row: an operation, and how a person sees its answer. */
export interface Row<O extends Operation> {
  readonly words: readonly string[];
  readonly operation: O;
  readonly call: (client: Client) => Call<O>;
  /** Labels of the path's parameters, in their order. */
  readonly labels?: readonly string[];
  /** Reads what is set now: what no flag names stays as it is, where the operation sets all at once. */
  readonly kept?: (client: Client, input: Given['input']) => Promise<object>;
  /** Where the operation's own says what the command does not do. */
  readonly summary?: string;
  readonly show: (answer: Response<O>) => readonly string[];
  /** What holds everywhere once the barrier is closed. */
  readonly taken?: (answer: Response<O>) => string;
  /** True where the answer is not that all was done. */
  readonly refused?: (answer: Response<O>) => boolean;
}

export interface ListRow<O extends Operation, Item> extends Omit<Row<O>, 'show' | 'kept' | 'taken' | 'refused'> {
  readonly columns: readonly Field<Item>[];
}

export const JSON_FLAG: Flag = { name: 'json', about: "The API's JSON, for programs." };
const IDEMPOTENCY_KEY: Flag = {
  name: 'idempotency-key',
  value: 'TEXT',
  about: 'Makes the call safe to repeat: the same key and input do it once.',
};
const ACK: Flag = {
  name: 'ack',
  value: 'durable|integrated|witnessed',
  about: 'Waits until the log is that far with the change, 10 s at most, and says how far it is.',
};
export const APPROVAL_FLAGS: readonly Flag[] = [
  { name: 'approval-reason', value: 'TEXT', about: 'Why, for those who approve it, where a policy wants that.' },
  { name: 'approval', value: 'APPROVAL', about: 'What they have approved: the same command, run once more.' },
];
const LIST_FLAGS: readonly Flag[] = [
  { name: 'all', about: 'Follow the cursors to the end; else one page.' },
  { name: 'json-lines', about: 'One JSON object a line.' },
];

export type AnyCall = (input: Readonly<Record<string, unknown>>, options: CallOptions) => Promise<unknown>;

/** A command that makes one call. */
export function apiCommand<O extends Operation>({ call, kept, show, taken, refused, ...row }: Row<O>): Command {
  const run = async ({ input, own }: Given, { environment, terminal }: Context) => {
    const connection = connectionFor(own, environment);
    const client = createClient(connection);
    const [key, ack] = [own['idempotency-key'], own['ack']];
    for (const flag of ['idempotency-key', 'ack', 'approval']) checkHeader(own[flag], flag);
    let told: Acknowledged | undefined;
    // The types of input are lost at the terminal: the server checks it against the operation's schema.
    const send = call(client) as unknown as AnyCall;
    const options: CallOptions = {
      ...(typeof key === 'string' ? { idempotencyKey: key } : {}),
      ...(typeof ack === 'string' ? { ack: ack as AckLevel } : {}),
      ...approvalOptions(own),
      acknowledged: (given) => {
        told = given;
      },
    };
    const whole = kept === undefined ? input : { ...(await kept(client, input)), ...input };
    const answer = await withPerson((more) => send(whole, { ...options, ...more }), connection.url, terminal);
    if (own['json'] === true) terminal.print(JSON.stringify(answer, null, 2));
    else {
      for (const line of linesOf(show(answer as Response<O>))) terminal.print(line);
      showSecret(answer as Shown, terminal);
      const { barrier } = answer as Shown;
      const done = taken?.(answer as Response<O>) ?? 'in force';
      if (barrier !== undefined) terminal.print(describeBarrier(done, barrier));
    }
    if (ack !== undefined) terminal.note(describeAcknowledged(told));
    return refused?.(answer as Response<O>) === true ? EXIT.refused : EXIT.done;
  };
  const waits = row.operation.method === 'GET' ? [] : [ACK, ...APPROVAL_FLAGS];
  const repeat = row.operation.idempotent === true ? [IDEMPOTENCY_KEY] : [];
  return { ...outline(row), flags: [...flagsOf(row.operation), ...repeat, ...waits, JSON_FLAG, ...URL_FLAGS], run };
}

/** What no header can carry would not even be sent. */
function checkHeader(value: Given['own'][string], flag: string): void {
  if (typeof value === 'string' && !/^[ -~]*$/.test(value)) throw new UsageError(`--${flag} takes ASCII characters`);
}

/** What is delivered encrypted, and a checkpoint, have lines of their own. */
function linesOf(shown: readonly string[]): string[] {
  return shown.flatMap((text) => text.split('\n')).map(printable);
}

/** What the flags of approvals say. */
export function approvalOptions(own: Given['own']): Pick<CallOptions, 'approvalReason' | 'approval'> {
  const [approvalReason, approval] = [own['approval-reason'], own['approval']];
  return {
    ...(typeof approvalReason === 'string' ? { approvalReason } : {}),
    ...(typeof approval === 'string' ? { approval } : {}),
  };
}

function describeAcknowledged(told: Acknowledged | undefined): string {
  const entry = told?.entry == null ? 'The change' : `Entry ${told.entry}`;
  return `${entry} is ${told?.level ?? 'durable'} in the log.`;
}

interface Shown {
  /** Text where it is a credential or token; the answers about stored secrets have an object here. */
  readonly secret?: unknown;
  readonly passphrase?: string;
  readonly secretShown?: true;
  readonly barrier?: Barrier;
}

function showSecret({ secret, passphrase, secretShown }: Shown, terminal: Context['terminal']): void {
  if (typeof secret === 'string') {
    terminal.print(`secret  ${secret}`);
    if (passphrase !== undefined) terminal.print(`passphrase  ${passphrase}`);
    terminal.note('This secret will not be shown again.');
  }
  if (secretShown === true) terminal.note('This repeats an earlier call; its secret was shown then.');
}

/** A command that shows one page of a list, or all of it. */
export function listCommand<O extends Operation, Item>({ call, columns, ...row }: ListRow<O, Item>): Command {
  const run = async ({ input, own }: Given, { environment, terminal }: Context) => {
    const client = createClient(connectionFor(own, environment));
    const items: Item[] = [];
    let nextCursor: string | null = null;
    for await (const page of pages<Item>(call(client) as unknown as AnyCall, input, own['all'] === true)) {
      nextCursor = page.nextCursor;
      if (own['json-lines'] === true) for (const item of page.items) terminal.print(JSON.stringify(item));
      else items.push(...page.items);
    }
    if (own['json'] === true && own['json-lines'] !== true)
      terminal.print(JSON.stringify({ items, nextCursor }, null, 2));
    else {
      if (own['json-lines'] !== true)
        for (const line of renderTable(columns, items, terminal.bold)) terminal.print(line);
      if (nextCursor !== null) terminal.note(`There is more: --all, or --cursor ${nextCursor}`);
    }
    return EXIT.done;
  };
  return { ...outline(row), flags: [...flagsOf(row.operation), ...LIST_FLAGS, JSON_FLAG, ...URL_FLAGS], run };
}

interface PageOf<Item> {
  readonly items: readonly Item[];
  readonly nextCursor: string | null;
}

/** Pages of a list, one after another: all of them, or up to the first that has something. */
export async function* pages<Item>(
  call: AnyCall,
  input: Readonly<Record<string, unknown>>,
  all: boolean,
): AsyncGenerator<PageOf<Item>> {
  let cursor = input['cursor'];
  for (;;) {
    const page = (await call({ ...input, cursor }, {})) as PageOf<Item>;
    yield page;
    if (page.nextCursor === null || (!all && page.items.length > 0)) return;
    cursor = page.nextCursor;
  }
}

function outline({
  words,
  operation,
  labels = [],
  summary = operation.summary,
}: Pick<Row<Operation>, 'words' | 'operation' | 'labels' | 'summary'>) {
  const fields = [...operation.path.matchAll(/\{(\w+)\}/g)].map((match) => match[1] as string);
  const positionals: Positional[] = fields.map((field, i) => ({ field, label: labels[i] ?? field.toUpperCase() }));
  return { words, summary, operation: operation.id, positionals };
}
