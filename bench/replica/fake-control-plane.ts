import type { ControlMessage, FeedRecord, Position } from '@keyhold/protocol/feed';
import type { ConnectFeed } from '@keyhold/verifier/feed-link';
import { systemClock } from '@keyhold/verifier/clock';
import { FeedClient } from '@keyhold/verifier/feed-client';
import { CompactReplica } from '@keyhold/verifier/compact-replica';
import { Verifier } from '@keyhold/verifier/verifier';
import { environmentRecords, keyRecords, LEASED_ENVIRONMENT } from './population.ts';

/** The shipped verifier with `count` keys in its replica, fed by a control plane that is only played. */
export interface FedVerifier {
  readonly verifier: Verifier;
  /** Resolves after the next report: what was counted up to then is forgotten again. */
  reported(): Promise<void>;
}

const LEASE_SECONDS = 300;
/** Keys a snapshot part; the control plane sends 500 rows. */
const KEYS_PER_PART = 500;

const POSITION: Position = { installation: 'inst_bench', epoch: 1, sequence: 1, hash: null };

/** What is fed after the keys, and what is answered when the verifier asks. */
export interface Beside {
  readonly records: readonly FeedRecord[];
  answer(payload: unknown): unknown;
}

export async function startFedVerifier(count: number, beside?: Beside): Promise<FedVerifier> {
  let leased = () => {};
  let wasReported = () => {};
  const ready = new Promise<void>((resolve) => {
    leased = resolve;
  });
  const connect: ConnectFeed = (handlers) => {
    // Over text, as on a real connection: parsed strings and arrays are what a replica really holds.
    const say = (message: ControlMessage) => handlers.received(JSON.parse(JSON.stringify(message)) as ControlMessage);
    setImmediate(() => handlers.opened());
    return {
      send: (message) => {
        JSON.stringify(message);
        if (message.type === 'hello') setImmediate(() => sendSnapshot(count, say, beside?.records ?? []));
        if (message.type === 'ask') {
          const payload = beside?.answer(message.payload) ?? null;
          setImmediate(() => say({ type: 'answer', request: message.request, payload }));
        }
        if (message.type === 'report') wasReported();
        if (message.type !== 'lease') return;
        const leases = [{ environment: LEASED_ENVIRONMENT, seconds: LEASE_SECONDS }];
        setImmediate(() => {
          say({ type: 'grant', request: message.request, sequence: POSITION.sequence, leases });
          leased();
        });
      },
      close: () => handlers.closed('closed by the verifier'),
    };
  };
  const feed = new FeedClient({
    verifierId: 'ver_01900000-0000-7000-8000-000000000001',
    clock: systemClock,
    connect,
    emptyReplica: () => new CompactReplica(),
    random: Math.random,
    events: {},
  });
  const verifier = new Verifier(systemClock, feed);
  verifier.start();
  // The verifier's own timers keep no process alive.
  const alive = setInterval(() => {}, 60_000);
  await ready;
  clearInterval(alive);
  return { verifier, reported: () => new Promise((resolve) => (wasReported = resolve)) };
}

function sendSnapshot(count: number, say: (message: ControlMessage) => void, beside: readonly FeedRecord[]): void {
  say({ type: 'welcome', position: POSITION, hashAtYours: null, acceptedEpoch: null });
  let part = 0;
  const send = (records: FeedRecord[], last: boolean) =>
    say({ type: 'snapshot', position: POSITION, records, part: part++, last });
  send(environmentRecords(), count === 0 && beside.length === 0);
  for (let from = 0; from < count; from += KEYS_PER_PART) {
    const to = Math.min(count, from + KEYS_PER_PART);
    const records: FeedRecord[] = [];
    for (let index = from; index < to; index++) records.push(...keyRecords(index));
    send(records, to === count && beside.length === 0);
  }
  if (beside.length > 0) send([...beside], true);
}
