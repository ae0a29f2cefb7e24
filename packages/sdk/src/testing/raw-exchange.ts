import { createServer } from 'node:http';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { OutgoingRequest } from '@keyhold/protocol/dialects/dialect';
import { createGuard } from '../guard.ts';
import type { HttpGuardOptions } from '../middleware/http-guard.ts';
import { listening, type RawAnswer, sendRaw } from './raw-http.ts';
import { SigningVerifier } from './signing-verifier.ts';

export const DIALECTS = [{ dialect: 'rfc9421' }, { dialect: 'binance' }] as const;
export type DialectName = (typeof DIALECTS)[number]['dialect'];

/** What a served application saw of a request. */
export interface Seen {
  readonly method: string;
  readonly target: string;
  readonly host: string;
  readonly bytes: number;
  /** At most the first few hundred characters. */
  readonly body: string;
}

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** A guarded server that says what it was sent, on a socket. */
export class RawExchange {
  readonly keys = new SigningVerifier(DIALECTS);
  readonly port: number;
  readonly dispose: () => PromiseLike<void>;
  /** Bytes outside the heap, at most, while bodies were read. */
  peakBytes = 0;
  #samples = 0;

  static async open(options: Partial<HttpGuardOptions> = {}): Promise<RawExchange> {
    const exchange = { current: null as RawExchange | null };
    const keys = new SigningVerifier(DIALECTS);
    const guard = createGuard({ ...keys.guarded, ...options });
    const server = createServer((request, response) => {
      void (async () => {
        if ((await guard(request, response, { permission: 'orders:write' })) === null) return;
        let [bytes, body] = [0, ''];
        try {
          for await (const chunk of request as AsyncIterable<Buffer>) {
            bytes += chunk.length;
            if (body.length < 500) body += chunk.toString('latin1');
            exchange.current?.sample();
          }
        } catch {
          return void response.writeHead(400).end('{}');
        }
        const { method, url: target, headers } = request;
        response.end(JSON.stringify({ method, target, host: headers.host, bytes, body }));
      })();
    });
    const { port, [Symbol.asyncDispose]: dispose } = await listening(server);
    return (exchange.current = new RawExchange(keys, port, dispose));
  }

  private constructor(keys: SigningVerifier, port: number, dispose: () => PromiseLike<void>) {
    this.keys = keys;
    this.port = port;
    this.dispose = dispose;
  }

  /** Now and then, since each look collects first: what nobody holds any more is no memory that a body takes. */
  sample(): void {
    if (this.#samples++ % 200 !== 0) return;
    collectGarbage();
    this.peakBytes = Math.max(this.peakBytes, process.memoryUsage().arrayBuffers);
  }

  /** Each call makes another request of it: the clock goes on. */
  async sign(dialect: DialectName, target: string, body = '', method = 'POST'): Promise<OutgoingRequest> {
    this.keys.fed.clock.advance(1);
    return await this.keys.sign(dialect, { method, url: `https://api.example${target}`, body });
  }

  async send(...pieces: readonly (string | Uint8Array)[]): Promise<RawAnswer> {
    return await sendRaw(this.port, ...pieces);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }
}

/** What the application was handed; null where it was refused. */
export function seenBy({ status, body }: RawAnswer): Seen | null {
  return status === 200 ? (JSON.parse(body) as Seen) : null;
}
