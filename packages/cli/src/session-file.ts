import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { UsageError } from './failure.ts';
import { writePrivate } from './private-file.ts';

/** Who is signed in at which control plane, by its origin. */
type Sessions = Readonly<Record<string, { readonly secret: string }>>;

/** The session at a control plane; whether it is over, that says. */
export function readSession(file: string, url: string): string | undefined {
  return readAll(file)[new URL(url).origin]?.secret;
}

/** Keeps a session, in a file that its owner alone can read, whole or not at all; undefined: forgets it. */
export function keepSession(file: string, url: string, session: Sessions[string] | undefined): void {
  const { [new URL(url).origin]: _, ...others } = readAll(file);
  const all = session === undefined ? others : { ...others, [new URL(url).origin]: session };
  if (Object.keys(all).length === 0) return rmSync(file, { force: true });
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  writePrivate(file, JSON.stringify(all));
}

function readAll(file: string): Sessions {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw new UsageError(`the file of sessions cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
  try {
    return JSON.parse(text) as Sessions;
  } catch {
    throw new UsageError('the file of sessions is damaged: remove it, and sign in again');
  }
}
