import type { ControlMessage, VerifierMessage } from '@keyhold/protocol/feed';
import type { QuotaAnswer, QuotaQuestion } from '@keyhold/protocol/verification-messages';
import type { ConnectFeed, FeedHandlers, FeedLink } from '../feed-link.ts';

/** One connection of a {@link FakeFeed}, seen from the control plane's end. */
class FakeConnection implements FeedLink {
  readonly sent: VerifierMessage[] = [];
  readonly #handlers: FeedHandlers;
  readonly #answer: (question: unknown) => unknown;
  #closed = false;

  constructor(handlers: FeedHandlers, answer: (question: unknown) => unknown) {
    this.#handlers = handlers;
    this.#answer = answer;
  }

  send(message: VerifierMessage): void {
    this.sent.push(structuredClone(message));
    const payload = message.type === 'ask' ? this.#answer(message.payload) : undefined;
    if (message.type !== 'ask' || payload === undefined) return;
    queueMicrotask(() => this.say({ type: 'answer', request: message.request, payload }));
  }

  /** The verifier hangs up. */
  close(): void {
    this.#end('closed by the verifier');
  }

  get closed(): boolean {
    return this.#closed;
  }

  open(): void {
    this.#handlers.opened();
  }

  /** The control plane says something. A link that is closed still delivers: the client has to shut its own ears. */
  say(message: ControlMessage): void {
    this.#handlers.received(structuredClone(message));
  }

  /** The network breaks. */
  break(reason = 'broken'): void {
    this.#end(reason);
  }

  #end(reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#handlers.closed(reason);
  }

  sentOf<T extends VerifierMessage['type']>(type: T): (VerifierMessage & { type: T })[] {
    return this.sent.filter((message): message is VerifierMessage & { type: T } => message.type === type);
  }
}

/** Whatever is wanted of a quota. */
function handOutQuotas(question: unknown): QuotaAnswer | undefined {
  const { quotas } = question as Partial<QuotaQuestion>;
  if (quotas === undefined) return undefined;
  return {
    quotas: quotas.map(({ key, granted, wanted, used }) => ({ key, granted: granted + wanted, usedByAll: used })),
  };
}

/** A control plane's address without a network: every connection that the client opens lands in `connections`. */
export class FakeFeed {
  readonly connections: FakeConnection[] = [];
  /** Connections that end before they are handed to the client. */
  refusals = 0;
  /** Answers a question at once; undefined: that is left to the test. */
  answer: (question: unknown) => unknown = handOutQuotas;

  readonly connect: ConnectFeed = (handlers) => {
    const connection = new FakeConnection(handlers, (question) => this.answer(question));
    this.connections.push(connection);
    if (this.refusals-- > 0) connection.break('refused');
    return connection;
  };

  /** The newest connection. */
  get link(): FakeConnection {
    const newest = this.connections.at(-1);
    if (newest === undefined) throw new Error('nobody connected');
    return newest;
  }
}
