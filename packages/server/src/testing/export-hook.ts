import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Entry } from '@keyhold/protocol/operations/audit';

interface Received {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** What it was answered. */
  readonly status: number;
}

/** A target that answers what it is told to, when it is told to; real HTTP. */
export async function startHook(port = 0) {
  const received: Received[] = [];
  const state = { status: 200, mostBytes: Number.POSITIVE_INFINITY, answers: Promise.resolve() };
  const server: Server = createServer(async (request, response) => {
    const parts = await request.toArray();
    const body = Buffer.concat(parts);
    const status = () => (body.length > state.mostBytes ? 413 : state.status);
    received.push({ headers: request.headers, body: body.toString(), status: status() });
    await state.answers;
    response.writeHead(status(), { location: '/elsewhere' }).end();
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const own = (server.address() as AddressInfo).port;
  return {
    received,
    state,
    port: own,
    url: `http://127.0.0.1:${own}/hook`,
    entries: (): Entry[] => received.flatMap(({ body }) => linesOf(body)),
    /** From now on no request is answered, until what is returned is called. */
    hold: (): (() => void) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      state.answers = promise;
      return resolve;
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

export function linesOf(text: string): Entry[] {
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Entry);
}
