import { setTimeout as pause } from 'node:timers/promises';
import { addressOf } from '@keyhold/sdk/address';
import type { CallOptions } from '@keyhold/sdk/client';
import { KeyholdError } from '@keyhold/sdk/keyhold-error';
import type { Terminal } from './command.ts';

const EVERY_MS = 1_000;
/** As long as the server lets it wait. */
const PATIENCE_MS = 10 * 60_000;

/**
 * Sends what its person may have to confirm with a passkey, in his browser, and waits until he has. It is sent again as
 * it was: what was confirmed is that, and nothing else.
 */
export async function withPerson<T>(
  send: (options: CallOptions) => Promise<T>,
  url: string,
  terminal: Pick<Terminal, 'note'>,
): Promise<T> {
  try {
    return await send({});
  } catch (error) {
    const confirmation = waitsFor(error);
    if (confirmation === undefined) throw error;
    terminal.note(`Confirm this in your browser, at ${accountPage(url)}. Waiting for ten minutes; Ctrl-C gives up.`);
    for (let waitedMs = 0; waitedMs < PATIENCE_MS; waitedMs += EVERY_MS) {
      await pause(EVERY_MS);
      try {
        return await send({ confirmation });
      } catch (again) {
        if (waitsFor(again) !== confirmation) throw again;
      }
    }
    throw error;
  }
}

function waitsFor(error: unknown): string | undefined {
  return error instanceof KeyholdError ? error.confirmation : undefined;
}

/** Browsers know this machine by name: passkeys are of no address. */
export function accountPage(url: string): string {
  const page = addressOf(url, '/account');
  if (page.hostname === '127.0.0.1' || page.hostname === '[::1]') page.hostname = 'localhost';
  return page.href;
}
