import { once } from 'node:events';
import { FEED_PATH } from '@keyhold/protocol/feed';
import { WebSocket } from 'ws';
import { findPlanted, type Planted } from './attacks-planted.ts';
import { addAt, placesIn, replaceAt } from './attacks-values.ts';

/** Ends a conversation: what was sent before it has been read. */
const LAST = 1_000_000_007;
/** No lease is asked for: whoever takes something away would wait for it. */
const QUESTION = { type: 'ask', request: LAST, payload: null };

/** Says as a verifier what holds this, in every place of every message; what of it comes back. */
export async function plantInFeed(
  controlUrl: string,
  token: string,
  planted: Planted,
  own: { readonly key: string; readonly credential: string },
): Promise<string[]> {
  const { text } = planted;
  const greeting = { type: 'hello', version: 1, verifier: `ver_${crypto.randomUUID()}`, position: null };
  const position = { installation: 'x', epoch: 1, sequence: 1, hash: null };
  const greetings = everywhere({ ...greeting, position }, text);
  const reports = everywhere(reportOn(own), text).map((payload) => ({ type: 'report', payload }));
  const asks = questionsOn(own).flatMap((question) => everywhere(question, text));
  const questions = asks.map((payload, request) => ({ type: 'ask', request, payload }));
  const broken = [`{"${text}`, text, JSON.stringify({ type: text }), JSON.stringify({ [text]: text })];
  const conversations = [
    ...greetings.map((one) => [JSON.stringify(one)]),
    ...broken.map((one) => [JSON.stringify(greeting), one]),
    [greeting, ...reports, ...questions].map((one) => JSON.stringify(one)),
  ];
  const said = await Promise.all(conversations.map((frames) => converse(controlUrl, token, frames)));
  return findPlanted(said.join('\n'), [planted], 'an answer of the feed');
}

/** The same with the text in place of each value, and beside it. */
function everywhere(message: object, text: string): unknown[] {
  return placesIn(message).flatMap((place) => [replaceAt(message, place, text), addAt(message, place, text, 1)]);
}

function reportOn({ key, credential }: { readonly key: string; readonly credential: string }): object {
  const network = '192.0.2.0/24';
  const networks = [{ network, count: 1 }];
  return {
    credentials: [{ id: credential, count: 1, lastAt: 1, lastIp: '192.0.2.1', networks }],
    quotas: [{ key, periodStart: 1, used: 1 }],
    denials: [{ environment: 'env_x', code: 'REVOKED', count: 1 }],
    refused: [{ id: credential, code: 'REVOKED', network, count: 1 }],
    tokens: ['tok_x'],
    broken: ['cred_x'],
  };
}

function questionsOn({ key, credential }: { readonly key: string; readonly credential: string }): object[] {
  const use = { credential, environment: 'env_x', permission: 'prices:read', clientIp: '192.0.2.1', record: true };
  const evidence = { dialect: 'rfc9421', base: 'AAAA', signature: 'AAAA' };
  return [
    { ...use, destination: '0x0', evidence },
    { turn: 1, quotas: [{ key, periodStart: 1, granted: 0, used: 0, wanted: 1 }] },
    { distributionKey: 'x', wrapTo: 'ab' },
  ];
}

/** All that is answered, and why the connection was closed. */
async function converse(controlUrl: string, token: string, frames: readonly string[]): Promise<string> {
  const socket = new WebSocket(new URL(FEED_PATH, controlUrl), { headers: { authorization: `Bearer ${token}` } });
  const said: string[] = [];
  const ended = new Promise<void>((resolve) => {
    socket.on('close', (_code, reason) => {
      said.push(String(reason));
      resolve();
    });
    socket.on('message', (data) => {
      const text = String(data);
      const message = JSON.parse(text);
      if (message.type !== 'snapshot' && message.type !== 'changes') said.push(text);
      if (message.request === LAST) socket.close();
    });
  });
  await once(socket, 'open');
  for (const frame of [...frames, JSON.stringify(QUESTION)]) socket.send(frame);
  await ended;
  return said.join('\n');
}
