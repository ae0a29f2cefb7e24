import type { ControlMessage, FeedRecord, Position, VerifierMessage } from '@keyhold/protocol/feed';
import type { FeedClient } from '@keyhold/verifier/feed-client';
import type { FeedSession } from '../../feed/feed-session.ts';
import type { FeedSource } from '../../feed/feed-source.ts';
import type { Addressed } from '../../feed/scope.ts';
import type { Clock } from '../../clock.ts';
import type { ControlTampering } from './control-machine.ts';
import type { MemoryDisk } from './memory-store.ts';
import type { VerifierTampering } from './verifier-machine.ts';
import type { World } from './world.ts';

/** A mistake planted at a seam of the shipped code: a simulation that doesn't find it proves nothing. */
export interface Bug {
  control?(): ControlTampering;
  verifier?(world: World): VerifierTampering;
  restarted?(disk: MemoryDisk): void;
}

const NOTHING_WAITED = { acknowledged: 0, waitedOut: 0, unconfirmed: 0, elapsedMs: 0 };

/** Every bug that DESIGN §7 names, and who goes without a word taken for who said goodbye. */
export const BUGS: Readonly<Record<string, Bug>> = {
  'skipped barrier': {
    control: () => ({
      propagation: (shipped) => ({ ...shipped, taken: async (sequence) => ({ sequence, ...NOTHING_WAITED }) }),
    }),
  },
  'lease counted from the answer': {
    verifier: () => ({
      network: (client) => ({
        toVerifier: (message) => (message.type === 'grant' ? { ...message, request: client().leases.ask() } : message),
      }),
    }),
  },
  'grant racing a commit': {
    control: () => ({
      started: (feed, source, clock) => {
        feed.hub.grant = (session, request) => grantOutsideTheLock(feed, source, clock, session, request);
      },
    }),
  },
  'early acknowledgement': {
    verifier: (world) => ({
      network: () => ({
        toVerifier: (message, reply) => acknowledgeFirst(message, reply, world.dice.chance(0.5)),
      }),
    }),
  },
  'repeated revoke': {
    control: () => {
      const asked = new Set<number>();
      return {
        propagation: (shipped) => ({
          ...shipped,
          taken: async (sequence, concerned) => {
            if (asked.has(sequence)) return { sequence, ...NOTHING_WAITED };
            asked.add(sequence);
            return await shipped.taken(sequence, concerned);
          },
        }),
      };
    },
  },
  'leases forgotten at restart': { restarted: (disk) => disk.forgetLeases() },
  'clock cached across an await': {
    verifier: () => ({ clock: (clock, client) => cachedWhileAsking(clock, client) }),
  },
  'lost connection taken for a goodbye': {
    control: () => ({
      started: ({ hub }) => {
        const detach = hub.detach.bind(hub);
        hub.detach = (session) => {
          detach(session);
          void hub.released(session).catch(() => {});
        };
      },
    }),
  },
  'torn snapshot': { control: () => ({ source: (shipped, feed) => tornSnapshots(shipped, () => feed().ledger.head) }) },
};

async function grantOutsideTheLock(
  feed: Parameters<NonNullable<ControlTampering['started']>>[0],
  source: FeedSource,
  clock: Clock,
  session: FeedSession,
  request: number,
): Promise<void> {
  const { sequence } = feed.ledger.head;
  // The head is read; by the time the grant is booked and sent, more was committed.
  const leases = await new Promise<Awaited<ReturnType<FeedSource['leasesFor']>>>((resolve) => {
    void feed.ledger.locked(
      (db) => source.leasesFor(db, session.scope),
      (found) => resolve(found),
    );
  });
  const verifier = session.verifier as string;
  session.send({
    type: 'grant',
    request,
    sequence,
    leases: leases.map(({ environment, seconds }) => ({ environment, seconds })),
  });
  await new Promise((resolve) => clock.after(400, () => resolve(null)));
  feed.book.granted(verifier, leases);
}

function acknowledgeFirst(
  message: ControlMessage,
  reply: (message: VerifierMessage) => void,
  late: boolean,
): ControlMessage | 'later' {
  if (message.type !== 'changes' || !late) return message;
  reply({ type: 'ack', sequence: message.position.sequence });
  return 'later';
}

/** The first reading after a question was asked is kept until it is answered. */
function cachedWhileAsking(clock: Clock, client: () => FeedClient): Clock {
  let kept: { wall: number; monotonic: number } | null = null;
  let asking = 0;
  let watched = false;
  const watch = () => {
    watched = true;
    const ask = client().ask.bind(client());
    client().ask = async (payload) => {
      asking++;
      const answer = await ask(payload);
      setImmediate(() => asking--);
      return answer;
    };
  };
  const read = () => {
    if (!watched) watch();
    const now = { wall: clock.wall(), monotonic: clock.monotonic() };
    if (kept === null || asking === 0) kept = now;
    return kept;
  };
  return {
    wall: () => read().wall,
    monotonic: () => read().monotonic,
    after: (milliseconds, action) => clock.after(milliseconds, action),
  };
}

/** Records of one state under the position of a later one. */
function tornSnapshots(shipped: FeedSource, head: () => Position): FeedSource {
  return {
    fromCommit: (changed, removed) => shipped.fromCommit(changed, removed),
    changesSince: async () => null,
    recovered: () => shipped.recovered(),
    leasesFor: (db, scope) => shipped.leasesFor(db, scope),
    isTokenAlive: (db, tokenId) => shipped.isTokenAlive(db, tokenId),
    report: (asking, payload) => shipped.report(asking, payload),
    answer: (scope, payload) => shipped.answer(scope, payload),
    snapshot: async (part) => {
      const parts: (readonly Addressed<FeedRecord>[])[] = [];
      await shipped.snapshot(async (_position, records) => void parts.push(records));
      for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate);
      const { installation, epoch, sequence, hash } = head();
      for (const [i, records] of parts.entries()) {
        await part({ installation, epoch, sequence, hash }, records, i === parts.length - 1);
      }
    },
  };
}
