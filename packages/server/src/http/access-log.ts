import type { FastifyInstance } from 'fastify';
import type { Log } from './log.ts';

/** Share of unremarkable requests that are logged; slow ones and faults always are. */
const SAMPLE = 0.01;
const SLOW_MS = 1_000;

/** Logs the route, never the address: an address can carry what it shouldn't. */
export function logAccess(app: FastifyInstance, log: Log, random: () => number): void {
  app.addHook('onResponse', (request, reply, done) => {
    done();
    const elapsedMs = Math.round(reply.elapsedTime);
    const remarkable = reply.statusCode >= 500 || elapsedMs >= SLOW_MS;
    if (!remarkable && random() >= SAMPLE) return;
    const route = request.routeOptions.url ?? 'unknown';
    log.info({ request: request.id, method: request.method, route, status: reply.statusCode, elapsedMs }, 'request');
  });
}
