// Verifiers that follow a control plane, without HTTP servers, and as many bare sockets that answer whatever they are
// sent by the yardstick.
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { systemClock } from '@keyhold/verifier/clock';
import { FeedClient } from '@keyhold/verifier/feed-client';
import { feedOverWebSocket } from '@keyhold/verifier/feed-socket';
import { CompactReplica } from '@keyhold/verifier/compact-replica';
import { WebSocket } from 'ws';
import { serveQuestions } from '../measure/serve-questions.ts';

const [controlUrl, token, echoUrl, count] = process.argv.slice(2) as [string, string, string, string];

const followers = Array.from({ length: Number(count) }, follow);
await Promise.all(followers.map(untilLeased));
await Promise.all(followers.map(openEcho));
serveQuestions({ followers: followers.length }, {});

function follow(): FeedClient {
  const feed = new FeedClient({
    verifierId: `ver_${randomUUID()}`,
    clock: systemClock,
    connect: feedOverWebSocket({ controlUrl, token }),
    emptyReplica: () => new CompactReplica(),
    random: Math.random,
    events: {},
  });
  feed.start();
  return feed;
}

async function untilLeased(feed: FeedClient): Promise<void> {
  const environmentsLeased = () => [...feed.replica.environments()].every(({ id }) => feed.leases.has(id));
  while (feed.position === null || !environmentsLeased()) await pause(10);
}

function openEcho(): Promise<void> {
  const socket = new WebSocket(echoUrl, { perMessageDeflate: false });
  socket.on('message', (data) => socket.send(String(data)));
  return new Promise((resolve, reject) => {
    socket.once('open', () => resolve());
    socket.once('error', reject);
  });
}
