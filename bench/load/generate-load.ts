import { Agent } from 'node:http';
import { serveQuestions } from '../measure/serve-questions.ts';
import { type Post, post } from './post.ts';

/** What to send: `count` POSTs over `connections` keep-alive connections, bodies taken in turn; GETs without any. */
export interface Load extends Omit<Post, 'body'> {
  readonly bodies: readonly string[];
  readonly connections: number;
  readonly count: number;
}

let agent: Agent | undefined;

async function generate(load: Load): Promise<{ sent: number }> {
  // The connections are kept over all rounds, so that opening them is nobody's cost.
  agent ??= new Agent({ keepAlive: true, maxFreeSockets: 1000 });
  let next = 0;
  const client = async () => {
    while (next < load.count) {
      await post(agent as Agent, { ...load, body: load.bodies[next++ % load.bodies.length] });
    }
  };
  await Promise.all(Array.from({ length: load.connections }, client));
  return { sent: next };
}

serveQuestions({ ready: true }, { load: ({ load }: { load: Load }) => generate(load) });
