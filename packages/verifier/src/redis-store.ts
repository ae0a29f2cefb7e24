import { Redis, type RedisOptions } from 'ioredis';
import { CallDeadlines, settle, type WaitingCall } from './call-deadlines.ts';
import { type Clock, systemClock } from './clock.ts';
import { bind } from './redis-binding.ts';
import { readTaken, takeArguments, takeScript } from './redis-scripts.ts';
import { type SharedStore, type Taken, type TakeRequest, unavailable } from './shared-store.ts';

export interface RedisStoreOptions {
  /** `redis://user:password@host:port/database`, or `rediss:` for TLS. Never logged. */
  readonly url: string;
  /** Before the names of all keys; verifiers that share must have the same. */
  readonly prefix?: string;
  /** How long a call may take, milliseconds. */
  readonly timeoutMs?: number;
  /** Calls that may wait for an answer at once; more are `UNAVAILABLE`. */
  readonly maxUnanswered?: number;
  /** Most that the server's clock may differ from this machine's, milliseconds. */
  readonly maxSkewMs?: number;
  /**
   * The operator's word that a restart or failover loses nothing (one server, `appendonly yes`, `appendfsync always`).
   * Otherwise what was signed before one is refused after it.
   */
  readonly durable?: boolean;
  /** PEM of the authorities that the server's certificate may be from, where those of the system don't do. */
  readonly ca?: string;
  readonly clock?: Clock;
  /** From 0 up to 1; spreads the reconnecting of many verifiers. */
  readonly random?: () => number;
  readonly events?: RedisStoreEvents;
}

export interface RedisStoreEvents {
  ready?(warnings: readonly string[]): void;
  unavailable?(reason: string): void;
}

const TAKE = takeScript();
/** Silence of so many times the timeout ends a connection that has calls on it. */
const SILENT_TIMEOUTS = 4;
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 2_000;
const LOST = 'the connection was lost';
/** Errors that say something of the server, not of the one call. */
const SERVER_CHANGED = /^(?:NOSCRIPT|READONLY|LOADING|MASTERDOWN)\b/;

/** Redis or Valkey, from 6.2, as what verifiers share. See docs/decisions/0019-shared-store.md. */
export class RedisStore implements SharedStore {
  readonly #options: Required<Omit<RedisStoreOptions, 'url' | 'ca'>>;
  readonly #client: Redis;
  readonly #deadlines: CallDeadlines;
  /** Null while it can't be asked. */
  #reign: string | null = null;
  #reason = 'not connected yet';
  #told: string | null = null;
  #warnings: readonly string[] = [];
  /** A call of an earlier connection counts no more. */
  #connection = 0;
  #unanswered = 0;
  #lastAnswerAt = 0;
  /** Since it could be asked last. */
  #failures = 0;
  #binding = false;
  #cancel: () => void = () => {};
  #closed = false;

  constructor(options: RedisStoreOptions) {
    this.#options = { ...DEFAULTS, ...options };
    const { clock, timeoutMs } = this.#options;
    this.#deadlines = new CallDeadlines(clock, timeoutMs, (sentAt) => this.#timedOut(sentAt));
    this.#client = new Redis(connectionOf(options, () => this.#pauseMs()));
    this.#client.on('ready', () => void this.#bind());
    this.#client.on('close', () => this.#lost(this.#reason));
    // Without its command, whose arguments may be the password.
    this.#client.on('error', (error: Error) => (this.#reason = error.message));
  }

  get ready(): boolean {
    return this.#reign !== null;
  }

  get unavailable(): string | null {
    return this.#reign === null ? this.#reason : null;
  }

  get warnings(): readonly string[] {
    return this.#warnings;
  }

  /** Calls that were sent and not answered. */
  get unanswered(): number {
    return this.#unanswered;
  }

  take(request: TakeRequest): Promise<Taken> {
    const reign = this.#reign;
    if (reign === null) return Promise.resolve(unavailable(this.#reason));
    if (this.#unanswered >= this.#options.maxUnanswered)
      return Promise.resolve(unavailable(`${this.#unanswered} calls wait for an answer`));
    return new Promise((resolve) => {
      const call = this.#deadlines.add(resolve);
      const connection = this.#connection;
      this.#unanswered++;
      this.#gather();
      this.#client.call('evalsha', [TAKE.sha1, ...takeArguments(this.#options.prefix, reign, request)]).then(
        (reply) => this.#answered(connection) && this.#read(call, reply as number[]),
        (error: Error) => this.#answered(connection) && this.#failed(call, error),
      );
    });
  }

  close(): void {
    this.#closed = true;
    this.#cancel();
    this.#client.disconnect();
    this.#lost('closed');
  }

  /** What is asked in one turn goes out in one write: a system call each costs more than all else of a call. */
  #gather(): void {
    const { stream } = this.#client;
    if (stream.writableCorked > 0) return;
    stream.cork();
    process.nextTick(() => stream.uncork());
  }

  /** False where the connection has ended meanwhile: then the call was answered. */
  #answered(connection: number): boolean {
    if (connection !== this.#connection) return false;
    this.#unanswered--;
    this.#lastAnswerAt = this.#options.clock.monotonic();
    return true;
  }

  #read(call: WaitingCall, reply: number[]): void {
    const taken = readTaken(reply);
    if (taken === null) this.#unbind('its memory was lost, or its clock set back');
    else if (Math.abs(taken.decidedAt - this.#options.clock.wall()) > this.#skewWithDelayMs())
      this.#unbind('its clock and ours have parted');
    settle(call, taken ?? unavailable(this.#reason));
  }

  /** An answer that is heeded is as old as a timeout at most. */
  #skewWithDelayMs(): number {
    return this.#options.maxSkewMs + SILENT_TIMEOUTS * this.#options.timeoutMs;
  }

  #failed(call: WaitingCall, error: Error): void {
    const message = error.name === 'MaxRetriesPerRequestError' ? LOST : error.message;
    if (SERVER_CHANGED.test(message)) this.#unbind(message);
    settle(call, unavailable(message));
  }

  /** The connection stands, and what it leads to has to be looked at again. */
  #unbind(reason: string): void {
    if (this.#reign === null) return;
    this.#stopAsking(reason);
    void this.#bind();
  }

  async #bind(): Promise<void> {
    if (this.#binding || this.#closed) return;
    this.#binding = true;
    const connection = this.#connection;
    this.#cancel();
    // Before the first answer there is nothing to wait for any longer than for a few calls.
    this.#cancel = this.#options.clock.after(SILENT_TIMEOUTS * this.#options.timeoutMs, () =>
      this.#reconnect('silent'),
    );
    try {
      const { reign, warnings } = await bind(this.#client, { ...this.#options, scripts: [TAKE] });
      if (connection === this.#connection) this.#bound(reign, warnings);
    } catch (error) {
      if (connection === this.#connection) this.#bindLater((error as Error).message);
    }
  }

  #bound(reign: string, warnings: readonly string[]): void {
    this.#cancel();
    [this.#binding, this.#failures, this.#told] = [false, 0, null];
    [this.#reign, this.#warnings, this.#reason] = [reign, warnings, LOST];
    this.#options.events.ready?.(warnings);
  }

  #bindLater(reason: string): void {
    this.#cancel();
    this.#binding = false;
    this.#stopAsking(reason);
    this.#cancel = this.#options.clock.after(this.#pauseMs(), () => void this.#bind());
  }

  /** A connection on which nothing comes back is given up: it may lead nowhere. */
  #timedOut(sentAt: number): void {
    const { clock, timeoutMs } = this.#options;
    const silentSince = Math.max(this.#lastAnswerAt, sentAt - (SILENT_TIMEOUTS - 1) * timeoutMs);
    if (this.#lastAnswerAt >= sentAt || clock.monotonic() - silentSince < SILENT_TIMEOUTS * timeoutMs) return;
    this.#reconnect(`no answer for ${SILENT_TIMEOUTS * timeoutMs} ms`);
  }

  #reconnect(reason: string): void {
    this.#reason = reason;
    this.#client.disconnect(true);
    this.#lost(reason);
  }

  #lost(reason: string): void {
    this.#cancel();
    this.#connection++;
    this.#unanswered = 0;
    this.#binding = false;
    this.#stopAsking(reason);
  }

  #stopAsking(reason: string): void {
    this.#reign = null;
    this.#reason = reason;
    this.#deadlines.settleAll(unavailable(reason));
    if (reason === this.#told) return;
    this.#told = reason;
    this.#options.events.unavailable?.(reason);
  }

  #pauseMs(): number {
    const pause = Math.min(FIRST_PAUSE_MS * 2 ** this.#failures++, LONGEST_PAUSE_MS);
    return pause * (0.5 + this.#options.random() / 2);
  }
}

const DEFAULTS = {
  prefix: 'keyhold',
  timeoutMs: 250,
  maxUnanswered: 10_000,
  maxSkewMs: 5_000,
  durable: false,
  clock: systemClock,
  random: Math.random,
  events: {},
};

type ConnectionOptions = RedisOptions & { replyMapping?: 'legacy' };

/** No queue but the one that is counted: what can't be sent now fails now, and nothing is ever sent twice. */
const CONNECTION: ConnectionOptions = {
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  // Readiness is ours to find out: it takes more than Redis' own word.
  enableReadyCheck: false,
  disableClientInfo: true,
  protocol: 2,
  connectTimeout: 2_000,
  disconnectTimeout: 250,
};

/** Throws without the text of the URL: it holds a password. */
function connectionOf({ url, ca }: RedisStoreOptions, pauseMs: () => number): ConnectionOptions {
  const parsed = URL.parse(url);
  if (parsed === null || !/^rediss?:$/.test(parsed.protocol) || parsed.hostname === '')
    throw new Error('the URL of Redis must be redis://host:port or rediss://host:port');
  const { hostname, port, username, password, pathname } = parsed;
  const host = hostname.replace(/^\[|\]$/g, '');
  const database = Number(pathname.slice(1) || '0');
  if (!Number.isSafeInteger(database) || database < 0) throw new Error('the path of the URL of Redis is its database');
  return {
    ...CONNECTION,
    retryStrategy: pauseMs,
    host,
    port: port === '' ? 6379 : Number(port),
    db: database,
    ...(username === '' ? {} : { username: decodeURIComponent(username) }),
    ...(password === '' ? {} : { password: decodeURIComponent(password) }),
    ...(parsed.protocol === 'rediss:' ? { tls: { servername: host, ...(ca === undefined ? {} : { ca }) } } : {}),
  };
}
