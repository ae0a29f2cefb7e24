import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Cosigner, newKeys, openKey, type StoredKey } from '@keyhold/auditor/witness/cosigner';
import { sha256, signCheckpoint } from '@keyhold/auditor/note-crypto';
import { type AddCheckpoint, readAddCheckpoint } from '@keyhold/protocol/log/add-checkpoint';
import { type Checkpoint, readCheckpoint, writeCheckpoint } from '@keyhold/protocol/log/checkpoint';
import { readNote, writeNote, writeSignature, writeVerifierKey } from '@keyhold/protocol/log/signed-note';

/** What it is asked, and what it answers with. */
export interface Asked {
  readonly request: AddCheckpoint;
  readonly checkpoint: Checkpoint;
  /** Signature lines of its own key over any checkpoint. */
  readonly sign: (checkpoint: Checkpoint, atSeconds?: number, by?: Cosigner) => string;
  readonly reply: (status: number, body: string, headers?: Readonly<Record<string, string>>) => void;
  readonly response: ServerResponse;
}

/** A witness that answers as a test wants it to, and shows what the test says. */
export interface LyingWitness extends AsyncDisposable {
  readonly url: string;
  /** A line of a policy. */
  policyLine(name: string): string;
  /** Requests that came, oldest first. */
  readonly asked: AddCheckpoint[];
  /** Paths that something was posted to. */
  readonly paths: ReadonlySet<string>;
  /** Most requests that were open at once. */
  readonly mostAtOnce: () => number;
  /** Note that it shows; null: none. */
  shown: string | null;
  readonly cosigner: Cosigner;
}

const NAME = 'liar.test/w1';
export const newCosigner = (): Cosigner => openKey(NAME, newKeys()[1] as StoredKey);

export async function startLyingWitness(answer: (asked: Asked) => void): Promise<LyingWitness> {
  const cosigner = newCosigner();
  const asked: AddCheckpoint[] = [];
  const paths = new Set<string>();
  let [open, most] = [0, 0];
  const sign = (checkpoint: Checkpoint, atSeconds = 1_000, by = cosigner) =>
    writeSignature(signCheckpoint(by.note, by.privateKey, checkpoint, atSeconds));
  const serve = async (request: IncomingMessage, response: ServerResponse) => {
    const reply: Asked['reply'] = (status, body, headers = {}) => {
      response.writeHead(status, headers);
      response.end(body);
    };
    if (request.method === 'GET') return witness.shown === null ? reply(404, '') : reply(200, witness.shown);
    paths.add(request.url ?? '');
    most = Math.max(most, ++open);
    response.on('close', () => open--);
    const body = readAddCheckpoint(Buffer.concat(await request.toArray()).toString('utf8')) as AddCheckpoint;
    asked.push(body);
    const checkpoint = readCheckpoint(readNote(body.checkpoint)?.text ?? '') as Checkpoint;
    answer({ request: body, checkpoint, sign, reply, response });
  };
  const server = createServer((request, response) => void serve(request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const witness: LyingWitness = {
    ...{ url, asked, paths, cosigner, shown: null },
    policyLine: (name) => `witness ${name} ${writeVerifierKey(cosigner.note)} ${url}`,
    mostAtOnce: () => most,
    [Symbol.asyncDispose]: async () => {
      server.close();
      server.closeAllConnections();
    },
  };
  return witness;
}

/** A note over any tree that these keys signed. */
export function noteBy(cosigners: readonly Cosigner[], checkpoint: Checkpoint): string {
  const signatures = cosigners.map(({ note, privateKey }) => signCheckpoint(note, privateKey, checkpoint, 1_000));
  return writeNote({ text: writeCheckpoint(checkpoint), signatures });
}

export const otherRoot = sha256(Buffer.from('another tree'));
