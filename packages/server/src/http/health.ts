import type { FastifyInstance } from 'fastify';

/** Liveness and readiness, for whoever watches the process; they tell nothing else and take no token. */
export function mountHealth(app: FastifyInstance, isReady: () => Promise<boolean>): void {
  app.get('/health/live', { schema: { hide: true } }, async () => ({ status: 'live' }));
  app.get('/health/ready', { schema: { hide: true } }, async (_request, reply) => {
    const ready = await isReady().catch(() => false);
    if (!ready) reply.code(503).header('retry-after', 1);
    return { status: ready ? 'ready' : 'not ready' };
  });
}
