import assert from 'node:assert/strict';
import { it } from 'node:test';
import { isRefusal } from '@keyhold/protocol/errors';
import { classifyFault } from '../database/store-fault.ts';
import { createLog } from '../http/log.ts';
import { createHttpServer } from '../http/server.ts';
import { createProject } from '../projects/create-project.ts';
import { ControlMachine } from '../testing/simulation/control-machine.ts';
import { Dice } from '../testing/simulation/dice.ts';
import { MemoryDisk } from '../testing/simulation/memory-store.ts';
import { CALLER } from '../testing/simulation/operator.ts';
import { MachineClock, VirtualTime } from '../testing/simulation/virtual-time.ts';

/** Changes that may wait for the writer. */
const MOST_WAITING = 5_000;

it('answers 503 with Retry-After when too many changes wait, makes every one that it took, and goes on', async () => {
  const disk = await MemoryDisk.create();
  const dice = new Dice(1);
  const store = disk.open(dice, { probability: 0 });
  const control = await ControlMachine.start(store, new MachineClock(new VirtualTime(), 1, 0), dice, 'tok_1', {});
  const { context, feed } = control;
  const create = (slug: string) => createProject(context, CALLER, { slug, name: slug });
  const app = createHttpServer({
    log: createLog('silent', 'test'),
    tls: undefined,
    trustedProxies: [],
    classify: classifyFault,
  });
  app.post('/projects', async () => {
    const created = await create('one-more');
    return { made: !isRefusal(created) };
  });
  const post = () => app.inject({ method: 'POST', url: '/projects', headers: { host: 'test' } });

  const held = Promise.withResolvers<void>();
  const holding = store.writer.alone(() => held.promise);
  const before = feed.ledger.head.sequence;
  const waiting = Array.from({ length: MOST_WAITING }, (_, i) => create(`p-${i}`));
  assert.equal(feed.ledger.waiting, MOST_WAITING);
  const refused = await post();
  assert.deepEqual([refused.statusCode, refused.json().code], [503, 'OVERLOADED']);
  assert.ok(Number(refused.headers['retry-after']) >= 1);
  assert.equal(feed.ledger.waiting, MOST_WAITING, 'what is refused does not wait');

  held.resolve();
  await holding;
  const made = await Promise.all(waiting);
  assert.equal(made.filter((one) => !isRefusal(one)).length, MOST_WAITING);
  assert.equal(feed.ledger.head.sequence, before + MOST_WAITING);
  assert.deepEqual((await post()).json(), { made: true });
  assert.equal(feed.ledger.head.sequence, before + MOST_WAITING + 1);
});
