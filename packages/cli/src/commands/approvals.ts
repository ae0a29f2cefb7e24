import type { ApprovalRequest } from '@keyhold/protocol/operations/approvals';
import * as operations from '@keyhold/protocol/operations/approvals';
import type { BreakGlass } from '@keyhold/protocol/operations/break-glass';
import * as glassOperations from '@keyhold/protocol/operations/break-glass';
import { createClient } from '@keyhold/sdk/client';
import { apiCommand, JSON_FLAG, listCommand, pages } from '../api-command.ts';
import type { Command } from '../command.ts';
import { connectionFor, URL_FLAGS } from '../connection.ts';
import { EXIT } from '../exit-codes.ts';
import { NothingThere } from '../failure.ts';
import { type Field, renderDetails, time } from '../table.ts';
import { withPerson } from '../with-person.ts';

const REQUEST: readonly Field<ApprovalRequest>[] = [
  ['id', ({ id }) => id],
  ['by', ({ byName, isOwn }) => (isOwn ? 'you' : byName)],
  ['action', ({ action }) => action],
  ['place', ({ place }) => place],
  ['reason', ({ reason }) => reason],
  ['approved', ({ given, needed }) => `${given.filter(({ verdict }) => verdict === 'approve').length} of ${needed}`],
  ['state', ({ state }) => state],
  ['until', ({ expiresAt }) => time(expiresAt)],
];

/** As the server takes it: each name once, and no letter that looks like another or moves it. */
function asTaken(body: string): string {
  if (body === '') return '';
  const text = JSON.stringify(JSON.parse(body));
  return text.replace(/[^ -~]/g, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

const WHOLE: readonly Field<ApprovalRequest>[] = [
  ...REQUEST,
  ['request', ({ method, target }) => `${method} ${target}`],
  ['body', ({ body }) => asTaken(body)],
];

/** What is approved is what was looked at: it is shown before the passkey is asked for. */
const approve: Command = {
  words: ['approvals', 'approve'],
  summary: operations.approveRequest.summary,
  operation: operations.approveRequest.id,
  positionals: [{ field: 'id', label: 'APPROVAL' }],
  flags: [
    { name: 'reason', value: 'TEXT', required: true, about: 'Why; for whoever reviews it.' },
    JSON_FLAG,
    ...URL_FLAGS,
  ],
  run: async ({ input, own }, { environment, terminal }) => {
    const connection = connectionFor(own, environment);
    const client = createClient(connection);
    const [id, reason] = [String(input['id']), String(own['reason'])];
    const list = client.approvals.list as unknown as Parameters<typeof pages<ApprovalRequest>>[0];
    let asked: ApprovalRequest | undefined;
    for await (const { items } of pages<ApprovalRequest>(list, {}, true)) asked ??= items.find((one) => one.id === id);
    if (asked === undefined) throw new NothingThere('nothing that you may approve waits under this id');
    for (const line of renderDetails(WHOLE, asked)) terminal.note(line);
    const { digest } = asked;
    const send = (more: object) => client.approvals.approve({ id, digest, reason }, more);
    const { request } = await withPerson(send, connection.url, terminal);
    if (own['json'] === true) terminal.print(JSON.stringify({ request }, null, 2));
    else for (const line of renderDetails(REQUEST, request)) terminal.print(line);
    return EXIT.done;
  },
};

const BREAK_GLASS: readonly Field<BreakGlass>[] = [
  ['id', ({ id }) => id],
  ['by', ({ byName }) => byName],
  ['reason', ({ reason }) => reason],
  ['state', ({ state }) => state],
  ['until', ({ expiresAt }) => time(expiresAt)],
  ['review', ({ review }) => review],
];

const glass = (verb: 'open' | 'close' | 'review', operation: Parameters<typeof apiCommand>[0]['operation']) =>
  apiCommand({
    words: ['break-glass', verb],
    operation,
    call: (client) => client.breakGlass[verb] as never,
    ...(verb === 'open' ? {} : { labels: ['GLASS'] }),
    show: (answer) => renderDetails(BREAK_GLASS, (answer as { breakGlass: BreakGlass }).breakGlass),
  });

/** `approvals`, `break-glass`. */
export const APPROVAL_COMMANDS: readonly Command[] = [
  listCommand({
    words: ['approvals', 'list'],
    operation: operations.listApprovals,
    call: (client) => client.approvals.list,
    columns: REQUEST,
  }),
  approve,
  apiCommand({
    words: ['approvals', 'deny'],
    operation: operations.denyRequest,
    call: (client) => client.approvals.deny,
    labels: ['APPROVAL'],
    show: ({ request }) => renderDetails(REQUEST, request),
  }),
  glass('open', glassOperations.openBreakGlass),
  listCommand({
    words: ['break-glass', 'list'],
    operation: glassOperations.listBreakGlass,
    call: (client) => client.breakGlass.list,
    columns: BREAK_GLASS,
  }),
  glass('close', glassOperations.closeBreakGlass),
  glass('review', glassOperations.reviewBreakGlass),
];
