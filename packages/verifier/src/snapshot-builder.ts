import type { ControlMessage, Position } from '@keyhold/protocol/feed';
import type { Replica } from './replica.ts';

/**
 * Builds a replica beside the one that serves, part by part, so that a big snapshot neither stalls verdicts nor is
 * ever seen half. INVARIANT: it is handed out only when its last part was added, in order, all of one position.
 */
export class SnapshotBuilder {
  readonly #replica: Replica;
  #next = 0;
  #position: Position | null = null;

  constructor(replica: Replica) {
    this.#replica = replica;
  }

  /** False when this part is not the one that comes next. */
  add(message: ControlMessage & { type: 'snapshot' }): boolean {
    const position = this.#position ?? message.position;
    if (message.part !== this.#next || message.position.sequence !== position.sequence) return false;
    if (message.position.epoch !== position.epoch) return false;
    this.#position = position;
    this.#next++;
    for (const record of message.records) this.#replica.apply(record);
    return true;
  }

  abandon(): void {
    this.#replica.abandon();
  }

  finish(): Replica {
    this.#replica.takeOver();
    return this.#replica;
  }
}
