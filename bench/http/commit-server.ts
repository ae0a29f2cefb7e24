// Answers each POST with the text given as argument, after one entry is durable: the shipped server, ledger and store
// around nothing. `folder` is where its database lies.
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { systemClock } from '../../packages/server/src/clock.ts';
import { openSqlite } from '../../packages/server/src/database/store.ts';
import { logAccess } from '../../packages/server/src/http/access-log.ts';
import { createLog } from '../../packages/server/src/http/log.ts';
import { createHttpServer } from '../../packages/server/src/http/server.ts';
import { Ledger, takeEpoch } from '../../packages/server/src/ledger/ledger.ts';
import { systemRandom } from '../../packages/server/src/random.ts';
import { serveQuestions } from '../measure/serve-questions.ts';

const [folder, answer] = process.argv.slice(2) as [string, string];
const store = await openSqlite(join(folder, 'commits.db'));
const { head } = await takeEpoch(store, systemRandom.newId);
const ledger = new Ledger(
  {
    store,
    clock: systemClock,
    newId: systemRandom.newId,
    newSalt: () => Buffer.from(systemRandom.bytes(32)).toString('hex'),
    committed: () => {},
    recovered: async () => {},
    tampered: () => {},
  },
  head,
);
const draft = { actor: 'tok_bench', action: 'secret.revealed', subject: 'sec_bench', evenWithoutChange: true as const };
const log = createLog('info', 'commit');
const app = createHttpServer({ log, tls: undefined, trustedProxies: [], classify: () => null });
logAccess(app, log, Math.random);
app.post('/*', async (_request, reply) => {
  await ledger.record(draft, async () => null);
  return reply.type('application/json').send(answer);
});
await app.listen({ host: '127.0.0.1', port: 0 });
serveQuestions({ url: `http://127.0.0.1:${(app.server.address() as AddressInfo).port}` }, {});
