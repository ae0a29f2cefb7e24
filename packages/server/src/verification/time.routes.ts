import type { FastifyInstance } from 'fastify';
import type { Clock } from '../clock.ts';

const TimeShape = {
  type: 'object',
  properties: {
    time: { type: 'string', description: 'RFC 3339, UTC.' },
    epochMs: { type: 'integer', description: 'Milliseconds since 1970.' },
  },
  required: ['time', 'epochMs'],
  additionalProperties: false,
} as const;

/** `GET /v1/time`, for everybody: whoever signs with a wrong clock is refused, and must be able to find that out. */
export function mountTime(app: FastifyInstance, clock: Pick<Clock, 'wall'>): void {
  const schema = {
    operationId: 'get-time',
    summary: 'The time that signed requests are held against',
    tags: ['Verification'],
    security: [],
    response: { 200: TimeShape },
  };
  app.get('/v1/time', { schema }, (_request, reply) => {
    const epochMs = clock.wall();
    reply.header('cache-control', 'no-store');
    return reply.send({ time: new Date(epochMs).toISOString(), epochMs });
  });
}
