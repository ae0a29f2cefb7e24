import { connect, type Socket } from 'node:net';

/** One request, byte by byte: an HTTP client would refuse to send most of what is sent here. */
export interface WireRequest {
  readonly method: string;
  /** Path and query as they stand on the request line. */
  readonly target: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Buffer | null;
}

export interface WireAnswer {
  readonly status: number;
  /** Lower-case names; of repeated fields the last. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

/** Why there was no answer. */
export type WireSilence = 'closed' | 'timeout';

const ANSWER_TIMEOUT_MS = 15_000;
const HEADER_END = '\r\n\r\n';

export function encodeRequest({ method, target, headers, body }: WireRequest): Buffer {
  const length = body === null ? [] : [['content-length', String(body.length)] as const];
  const lines = [['host', 'attack'] as const, ...length, ...headers].map(([name, value]) => `${name}: ${value}\r\n`);
  const head = Buffer.from(`${method} ${target} HTTP/1.1\r\n${lines.join('')}\r\n`);
  return body === null ? head : Buffer.concat([head, body]);
}

/** A keep-alive connection that reconnects by itself; one exchange at a time. */
export class WireConnection implements Disposable {
  readonly #port: number;
  #socket: Socket | null = null;
  #received: Buffer = Buffer.alloc(0);
  #settle: ((answer: WireAnswer | WireSilence) => void) | null = null;
  #bodiless = false;

  constructor(url: string) {
    this.#port = Number(new URL(url).port);
  }

  /** Sends bytes as they are and waits for one answer. */
  async exchange(bytes: Buffer, { bodiless = false } = {}): Promise<WireAnswer | WireSilence> {
    const socket = this.#socket ?? this.#connect();
    this.#bodiless = bodiless;
    const { promise, resolve } = Promise.withResolvers<WireAnswer | WireSilence>();
    const timer = setTimeout(() => resolve('timeout'), ANSWER_TIMEOUT_MS);
    this.#settle = resolve;
    socket.write(bytes);
    const answer = await promise;
    clearTimeout(timer);
    this.#settle = null;
    if (typeof answer === 'string' || answer.headers.get('connection') === 'close') this.#drop();
    return answer;
  }

  send(request: WireRequest): Promise<WireAnswer | WireSilence> {
    return this.exchange(encodeRequest(request), { bodiless: request.method === 'HEAD' });
  }

  [Symbol.dispose](): void {
    this.#drop();
  }

  #connect(): Socket {
    const socket = connect(this.#port, '127.0.0.1');
    this.#received = Buffer.alloc(0);
    socket.on('data', (chunk) => {
      if (socket === this.#socket) this.#take(chunk);
    });
    // A reset after the answer is the server's right; before it, 'close' says so.
    socket.on('error', () => {});
    socket.on('close', () => {
      if (socket !== this.#socket) return;
      this.#socket = null;
      this.#settle?.('closed');
    });
    this.#socket = socket;
    return socket;
  }

  #drop(): void {
    const socket = this.#socket;
    this.#socket = null;
    socket?.destroy();
  }

  #take(chunk: Buffer): void {
    this.#received = Buffer.concat([this.#received, chunk]);
    const end = this.#received.indexOf(HEADER_END);
    if (end < 0) return;
    const [first = '', ...lines] = this.#received.subarray(0, end).toString('latin1').split('\r\n');
    const status = Number(first.split(' ')[1]);
    const headers = new Map(lines.map((line) => splitField(line)));
    const start = end + HEADER_END.length;
    if (status < 200) {
      this.#received = this.#received.subarray(start);
      return this.#take(Buffer.alloc(0));
    }
    const length = this.#bodiless || status === 304 ? 0 : Number(headers.get('content-length') ?? 0);
    if (this.#received.length < start + length) return;
    const body = this.#received.subarray(start, start + length).toString('utf8');
    this.#received = this.#received.subarray(start + length);
    this.#settle?.({ status, headers, body });
  }
}

function splitField(line: string): [string, string] {
  const colon = line.indexOf(':');
  return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
}
