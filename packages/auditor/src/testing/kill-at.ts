// Loaded before a witness: kills it before the n-th step of writing something down, or tells the order of all steps
// and answers on its channel.
import fs from 'node:fs';
import { ServerResponse } from 'node:http';
import { syncBuiltinESMExports } from 'node:module';

const STEPS = ['openSync', 'writeFileSync', 'fsyncSync', 'closeSync', 'renameSync'] as const;

const killAt = Number(process.env['TEST_KILL_AT'] ?? Number.POSITIVE_INFINITY);
let serving = false;
let count = 0;
const order: string[] = [];

function step(name: string): void {
  if (!serving) return;
  count++;
  order.push(name);
  if (count === killAt) process.kill(process.pid, 'SIGKILL');
}

const open = fs as unknown as Record<string, (...args: unknown[]) => unknown>;
for (const name of STEPS) {
  const before = open[name] as (...args: unknown[]) => unknown;
  open[name] = (...args) => {
    step(name);
    return before(...args);
  };
}
syncBuiltinESMExports();

const writeHead = ServerResponse.prototype.writeHead as unknown as (...args: unknown[]) => unknown;
(ServerResponse.prototype as unknown as Record<string, unknown>)['writeHead'] = function (
  this: ServerResponse,
  ...args: unknown[]
) {
  if (this.req.method === 'POST') {
    step('answer');
    if (!Number.isFinite(killAt)) process.send?.({ order: order.splice(0) });
  }
  return writeHead.apply(this, args);
};

// What happens before it serves is not counted: its parent is told first.
const send = process.send?.bind(process) as ((message: unknown) => boolean) | undefined;
if (send !== undefined) {
  process.send = ((message: unknown) => {
    serving = true;
    return send(message);
  }) as NonNullable<typeof process.send>;
}
