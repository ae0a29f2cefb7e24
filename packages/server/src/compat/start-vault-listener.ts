import type { AddressInfo } from 'node:net';
import type { Config } from '../config.ts';
import { classifyFault } from '../database/store-fault.ts';
import { logAccess } from '../http/access-log.ts';
import type { Log } from '../http/log.ts';
import { createHttpServer } from '../http/server.ts';
import { readTls } from '../http/tls.ts';
import { acceptListMethod } from './list-socket.ts';
import { mountVault } from './vault.routes.ts';
import type { VaultApi } from './vault-call.ts';

/** Vault's wire API at the root of a listener of its own: some of its clients refuse a path prefix. */
export async function startVaultListener(
  config: Config,
  api: VaultApi,
  log: Log,
): Promise<AsyncDisposable & { readonly port: number }> {
  const tls = readTls(config);
  const app = createHttpServer({ log, tls, trustedProxies: config.trustedProxies, classify: classifyFault });
  logAccess(app, log, Math.random);
  await mountVault(app, '', api, log);
  await app.ready();
  acceptListMethod(app.server, tls !== undefined);
  await app.listen({ host: config.host, port: config.vaultPort });
  const { port } = app.server.address() as AddressInfo;
  return { port, [Symbol.asyncDispose]: () => app.close() };
}
