// What a revoke cannot do without: one durable commit of the same statements, then a small message to every socket
// and its answer.
import type { AddressInfo } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import { serveQuestions } from '../measure/serve-questions.ts';
import { Replay } from '../sql/replay.ts';
import type { CallTrace } from '../sql/trace.ts';

export interface YardstickRound {
  readonly original: string;
  readonly copy: string;
  readonly calls: readonly CallTrace[];
  /** Calls at the start that are made and not counted. */
  readonly uncounted: number;
  readonly sockets: number;
}

const MESSAGE = JSON.stringify({ type: 'ack', sequence: 1_000_000 });

const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false });
let missing = 0;
let answered = () => {};
server.on('connection', (socket: WebSocket) => {
  socket.on('message', () => {
    if (--missing === 0) answered();
  });
});
await new Promise((resolve) => server.once('listening', resolve));
serveQuestions({ url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}` }, { round });

/** Milliseconds of each commit with its fan-out. */
async function round({ original, copy, calls, uncounted, sockets }: YardstickRound): Promise<number[]> {
  if (server.clients.size !== sockets) throw new Error(`${server.clients.size} sockets of ${sockets}`);
  using replay = new Replay(original, copy);
  replay.prepare(calls);
  const elapsed: number[] = [];
  for (const { inside } of calls) {
    const before = performance.now();
    replay.commit(inside);
    await fanOut();
    elapsed.push(performance.now() - before);
  }
  return elapsed.slice(uncounted);
}

function fanOut(): Promise<void> {
  return new Promise((resolve) => {
    answered = resolve;
    missing = server.clients.size;
    for (const socket of server.clients) socket.send(MESSAGE);
  });
}
