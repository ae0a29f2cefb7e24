import { printable } from '@keyhold/auditor/printable';
import * as operations from '@keyhold/protocol/operations/sign-in';
import { createClient } from '@keyhold/sdk/client';
import { KeyholdError } from '@keyhold/sdk/keyhold-error';
import { signInDevice } from '@keyhold/sdk/sign-in-device';
import { apiCommand } from '../api-command.ts';
import type { Command } from '../command.ts';
import { checkUrl, URL_FLAGS } from '../connection.ts';
import { EXIT } from '../exit-codes.ts';
import { keepSession, readSession } from '../session-file.ts';
import { renderDetails } from '../table.ts';
import { accountPage } from '../with-person.ts';

const URL_FLAG = URL_FLAGS.filter(({ name }) => name === 'url');

const signIn: Command = {
  words: ['sign-in'],
  summary: 'Sign this command line in as a person: a code from the page of your account comes from stdin',
  operation: operations.signInDevice.id,
  positionals: [],
  flags: URL_FLAG,
  run: async ({ own }, { environment, terminal }) => {
    const url = checkUrl(typeof own['url'] === 'string' ? own['url'] : environment.url);
    terminal.note(`Open ${accountPage(url)}, make a code for a command line, and paste it here.`);
    const code = await terminal.readSecret('code');
    const { person, session, secret } = await signInDevice({ url }, code);
    keepSession(environment.sessionFile, url, { secret });
    terminal.print(printable(`signed in as ${person.name} until ${session.expiresAt}`));
    return EXIT.done;
  },
};

const signOut: Command = {
  words: ['sign-out'],
  summary: 'End the session of this command line',
  operation: operations.signOut.id,
  positionals: [],
  flags: URL_FLAG,
  run: async ({ own }, { environment, terminal }) => {
    const url = checkUrl(typeof own['url'] === 'string' ? own['url'] : environment.url);
    const token = readSession(environment.sessionFile, url);
    if (token !== undefined) await endSession(url, token);
    keepSession(environment.sessionFile, url, undefined);
    terminal.print(token === undefined ? 'nobody was signed in here' : 'signed out');
    return EXIT.done;
  },
};

/** One that is over already has ended. */
async function endSession(url: string, token: string): Promise<void> {
  try {
    await createClient({ url, token }).sessions.signOut();
  } catch (error) {
    if (!(error instanceof KeyholdError && error.status === 401)) throw error;
  }
}

/** `sign-in`, `sign-out`, `whoami`. */
export const SIGN_IN_COMMANDS: readonly Command[] = [
  signIn,
  signOut,
  apiCommand({
    words: ['whoami'],
    operation: operations.getSession,
    call: (client) => client.sessions.get,
    show: ({ person, roles, sessions }) => [
      ...renderDetails(
        [
          ['id', ({ id }) => id],
          ['name', ({ name }) => name],
        ],
        person,
      ),
      ...roles.map(({ role, project, environment }) => `role   ${role}, ${environment ?? project ?? 'installation'}`),
      ...sessions.filter(({ current }) => current).map(({ expiresAt }) => `until  ${expiresAt}`),
    ],
  }),
];
