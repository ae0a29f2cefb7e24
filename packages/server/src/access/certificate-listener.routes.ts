import type { AddressInfo } from 'node:net';
import type { Config } from '../config.ts';
import { classifyFault } from '../database/store-fault.ts';
import { logAccess } from '../http/access-log.ts';
import type { Log } from '../http/log.ts';
import { createHttpServer } from '../http/server.ts';
import { readMutualTls } from '../http/tls.ts';
import type { Admitting } from './admit-workload.ts';
import { mountCertificateExchange } from './token-exchange.routes.ts';

/**
 * A listener of its own for whoever shows a certificate (RFC 8705 §5): people's browsers are asked for none, and what it
 * costs to follow a stranger's chain of them can be kept to a network of services.
 */
export async function startCertificateListener(
  config: Config,
  admitting: Admitting,
  log: Log,
): Promise<(AsyncDisposable & { readonly port: number }) | null> {
  const [tls, asked] = [readMutualTls(config), config.clientCertificates];
  if (tls === undefined || asked === undefined) return null;
  const app = createHttpServer({ log, tls, trustedProxies: [], classify: classifyFault });
  logAccess(app, log, Math.random);
  mountCertificateExchange(app, admitting);
  await app.listen({ host: config.host, port: asked.port });
  const { port } = app.server.address() as AddressInfo;
  return { port, [Symbol.asyncDispose]: () => app.close() };
}
