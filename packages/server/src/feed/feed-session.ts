import type { ControlMessage, FeedRecord, Position, VerifierMessage } from '@keyhold/protocol/feed';
import { type Addressed, type FeedScope, isAddressedTo } from './scope.ts';

/** One connection, over whatever carries it. */
export interface FeedConnection {
  send(text: string): void;
  /** Bytes handed over and not yet taken by the network. */
  readonly bufferedBytes: number;
  close(reason: string): void;
}

/** A committed group as every session of one scope receives it. */
export interface Published {
  readonly from: number;
  readonly position: Position;
  /** The message as text for a scope; made once, however many listen. */
  textFor(scope: FeedScope): string;
}

/** What a session asks of the hub that it belongs to. */
export interface FeedHouse {
  welcome(session: FeedSession, verifier: string, position: Position | null): Promise<void>;
  grant(session: FeedSession, request: number): Promise<void>;
  acknowledged(session: FeedSession, sequence: number): void;
  released(session: FeedSession): Promise<void>;
  report(session: FeedSession, payload: unknown): Promise<void>;
  answer(session: FeedSession, request: number, payload: unknown): Promise<void>;
}

/** A verifier that reads slower than this is cut off; it comes back and catches up. */
const MAX_BUFFERED_BYTES = 256 * 1024 * 1024;
/** Groups that may wait while a snapshot streams. */
const MAX_HELD_BACK = 50_000;

/** The control plane's end of one feed connection. */
export class FeedSession {
  readonly scope: FeedScope;
  readonly tokenId: string;
  /** True once the verifier's id was found to be this token's to use. */
  claimed = false;
  readonly #connection: FeedConnection;
  readonly #house: FeedHouse;
  #verifier: string | null = null;
  #sentUpTo = -1;
  /** Groups committed while the start state is still being sent; null once it was. */
  #heldBack: Published[] | null = [];
  #closed = false;

  constructor(connection: FeedConnection, scope: FeedScope, tokenId: string, house: FeedHouse) {
    this.#connection = connection;
    this.scope = scope;
    this.tokenId = tokenId;
    this.#house = house;
  }

  /** The verifier at the other end; null before its hello. */
  get verifier(): string | null {
    return this.#verifier;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Newest sequence sent on this connection. */
  get sentUpTo(): number {
    return this.#sentUpTo;
  }

  /** True when it has been sent a start state, and follows. */
  get live(): boolean {
    return this.#heldBack === null && !this.#closed;
  }

  receive(message: VerifierMessage): void {
    if (this.#closed) return;
    if ((message.type === 'hello') !== (this.#verifier === null)) return this.close('hello comes first, and once');
    this.#dispatch(message).catch((error: unknown) => this.close(error instanceof Error ? error.name : 'fault'));
  }

  async #dispatch(message: VerifierMessage): Promise<void> {
    switch (message.type) {
      case 'hello':
        this.#verifier = message.verifier;
        return await this.#house.welcome(this, message.verifier, message.position);
      case 'lease':
        return await this.#house.grant(this, message.request);
      case 'ack':
        return this.#house.acknowledged(this, message.sequence);
      case 'report':
        return await this.#house.report(this, message.payload);
      case 'ask':
        return await this.#house.answer(this, message.request, message.payload);
      case 'bye':
        return await this.#house.released(this);
    }
  }

  send(message: ControlMessage): void {
    this.#sendText(JSON.stringify(message));
  }

  /** Sends records of its scope as a snapshot's part. */
  sendSnapshotPart(position: Position, records: readonly Addressed<FeedRecord>[], part: number, last: boolean): void {
    this.send({ type: 'snapshot', position, records: this.#mine(records), part, last });
    if (last) this.#sentUpTo = position.sequence;
  }

  /** Sends what changed since the verifier's own position. */
  sendChanges(from: number, position: Position, records: readonly Addressed<FeedRecord>[]): void {
    if (position.sequence > from) this.send({ type: 'changes', from, position, records: this.#mine(records) });
    this.#sentUpTo = position.sequence;
  }

  #mine(records: readonly Addressed<FeedRecord>[]): FeedRecord[] {
    return records.filter((addressed) => isAddressedTo(addressed, this.scope)).map(({ record }) => record);
  }

  /** The start state is sent: from now on it follows, beginning with what was held back. */
  follow(): void {
    const heldBack = this.#heldBack ?? [];
    this.#heldBack = null;
    for (const published of heldBack) this.publish(published);
  }

  publish(published: Published): void {
    if (this.#heldBack !== null) {
      if (this.#heldBack.length >= MAX_HELD_BACK) return this.close('too much happened while the snapshot was sent');
      this.#heldBack.push(published);
      return;
    }
    // The start state, read in a transaction of its own, may already contain it.
    if (published.position.sequence <= this.#sentUpTo) return;
    this.#sentUpTo = published.position.sequence;
    this.#sendText(published.textFor(this.scope));
  }

  #sendText(text: string): void {
    if (this.#closed) return;
    if (this.#connection.bufferedBytes > MAX_BUFFERED_BYTES) return this.close('the verifier reads too slowly');
    this.#connection.send(text);
  }

  close(reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#connection.close(reason);
  }

  /** The network closed it. */
  lost(): void {
    this.#closed = true;
  }
}
