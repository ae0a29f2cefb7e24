import { refuse } from '@keyhold/protocol/errors';
import type { FastifyInstance } from 'fastify';
import { Gauge, type Registry } from 'prom-client';
import { bearerOf, type Gate } from './mount.ts';
import { sendProblem } from './problem.ts';

/** A number read when somebody asks for the metrics. */
export interface Metric {
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly string[];
  /** One value for each set of label values. */
  readonly read: () => Iterable<{ readonly labels?: Readonly<Record<string, string>>; readonly value: number }>;
}

export function registerMetric(registry: Registry, { name, help, labels = [], read }: Metric): void {
  new Gauge({
    name,
    help,
    labelNames: [...labels],
    registers: [registry],
    collect() {
      this.reset();
      for (const { labels: values = {}, value } of read()) this.set(values, value);
    },
  });
}

/** `GET /metrics` in the Prometheus text format, for callers that `permits`. */
export function mountMetrics<P extends { readonly id: string }>(
  app: FastifyInstance,
  gate: Gate<P>,
  registry: Registry,
  permits: (principal: P) => boolean,
): void {
  app.get('/metrics', { schema: { hide: true } }, async (request, reply) => {
    const principal = await gate.authenticate(bearerOf(request), request.ip);
    if (principal === null) return sendProblem(request, reply, refuse('UNAUTHENTICATED', 'Send a token.'));
    if (!permits(principal)) return sendProblem(request, reply, refuse('FORBIDDEN', 'It takes the scope read.'));
    return reply.header('content-type', registry.contentType).send(await registry.metrics());
  });
}
