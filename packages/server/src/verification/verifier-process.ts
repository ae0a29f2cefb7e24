import type { Scope } from '@keyhold/protocol/state';
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { refuseLooseHanded } from '../file-modes.ts';
import { connectVerifier } from '@keyhold/verifier/connect';
import { RedisStore } from '@keyhold/verifier/redis-store';
import type { ReplicaToken } from '@keyhold/verifier/replica';
import type { Verifier } from '@keyhold/verifier/verifier';
import type { SharedStore } from '@keyhold/verifier/shared-store';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { systemClock } from '../clock.ts';
import { type Config, ConfigError } from '../config.ts';
import { classifyFault, StoreUnavailable } from '../database/store-fault.ts';
import { logAccess } from '../http/access-log.ts';
import { mountHealth } from '../http/health.ts';
import type { Log } from '../http/log.ts';
import { mountMetrics, registerMetric } from '../http/metrics.ts';
import type { Gate } from '../http/mount.ts';
import { serveReference } from '../http/reference.ts';
import { createHttpServer } from '../http/server.ts';
import { readTls } from '../http/tls.ts';
import { routeOf } from './gateway-request.ts';
import { mountGateways } from './gateway.routes.ts';
import { mountTime } from './time.routes.ts';
import { ToldCounts } from './told-counts.ts';
import { trustedProxies } from './trusted-proxies.ts';
import { mountVerify, mountVerifyBatch } from './verify-route.ts';

/** A running verifier process. */
export interface VerifierProcess extends AsyncDisposable {
  /** `http(s)://host:port` */
  readonly url: string;
}

/** Scopes that read what a verifier counts. */
const READ_METRICS: readonly Scope[] = ['admin', 'read', 'verify'];

/** Runs one verifier behind HTTP. It serves as soon as it has a snapshot and a lease, and never asks a database. */
export async function startVerifierProcess(config: Config, log: Log): Promise<VerifierProcess> {
  if (config.controlUrl === undefined) throw new ConfigError('a verifier needs --control URL');
  if (config.tokenFile === undefined) throw new ConfigError('a verifier needs --token-file FILE with a feed token');
  const certificate = config.controlCertificateFile;
  const verifier = connectVerifier(
    {
      controlUrl: config.controlUrl,
      token: readToken(config.tokenFile),
      pinnedCertificate: certificate === undefined ? undefined : readPinned(certificate),
    },
    {
      connected: () => log.info('following the control plane'),
      disconnected: (reason) =>
        log.warn({ reason }, 'cut off from the control plane; deciding until the lease is over'),
      failed: (reason) => log.warn({ reason }, 'cannot follow the control plane; trying again'),
      fenced: (reason) => log.error({ reason }, 'fenced: refusing everything until an operator accepts the restore'),
    },
    sharedStore(config, log),
  );
  const tls = readTls(config);
  const { trustedProxies: networks } = config;
  const app = createHttpServer({ log, tls, trustedProxies: networks, routeOf, classify: classifyFault });
  logAccess(app, log, Math.random);
  await serveReference(app, 'Keyhold verifier');
  const gate = gateOf(verifier);
  mountHealth(app, async () => verifier.ready);
  mountVerify(app, verifier, gate);
  mountVerifyBatch(app, verifier, gate);
  mountTime(app, systemClock);
  mountGateways(app, { verifier, gate, clock: systemClock, ...gatewaysOf(networks, log) });
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  registerMetric(registry, {
    name: 'keyhold_verdicts_total',
    help: 'Verdicts by code since the start',
    labels: ['code'],
    read: () => [...verifier.verdicts].map(([code, value]) => ({ labels: { code }, value })),
  });
  registerMetric(registry, {
    name: 'keyhold_replica_credentials',
    help: 'Credentials held in memory',
    read: () => [{ value: verifier.size }],
  });
  registerMetric(registry, {
    name: 'keyhold_replica_sequence',
    help: 'Newest ledger sequence applied',
    read: () => [{ value: verifier.position?.sequence ?? 0 }],
  });
  registerMetric(registry, {
    name: 'keyhold_signed_requests_total',
    help: "Signed requests with a time, by how far the signer's clock was behind",
    labels: ['skew'],
    read: () => [...verifier.clockSkew].map(([skew, value]) => ({ labels: { skew }, value })),
  });
  registerMetric(registry, {
    name: 'keyhold_remembered_nonces',
    help: 'Nonces in memory, while no store is shared',
    read: () => [{ value: verifier.remembered.nonces }],
  });
  registerMetric(registry, {
    name: 'keyhold_remembered_bytes',
    help: 'Bytes that they take',
    read: () => [{ value: verifier.remembered.bytes }],
  });
  mountMetrics(app, gate, registry, ({ scopes }) => scopes.some((scope) => READ_METRICS.includes(scope)));
  await app.listen({ host: config.host, port: config.verifierPort });
  return {
    url: urlOf(app.server.address(), config.host, tls !== undefined),
    [Symbol.asyncDispose]: async () => {
      await app.close();
      // Only then may the process end: a goodbye that is lost makes the next revoke wait for a lease.
      await verifier.stop();
    },
  };
}

function gatewaysOf(networks: readonly string[], log: Log) {
  const why = new ToldCounts(systemClock, (reasons) =>
    log.warn({ reasons }, 'requests that gateways asked about were MALFORMED'),
  );
  return { isProxy: trustedProxies(networks), malformed: (reason: string) => why.add(reason) };
}

function readToken(file: string): string {
  refuseLooseHanded('token file', file);
  return readFileSync(file, 'utf8').trim();
}

/** Finds the holders of tokens that are alive, while the verifier can know that. */
function gateOf(verifier: Verifier): Gate<ReplicaToken> {
  return {
    authenticate: async (secret) => {
      if (secret === null) return null;
      const token = verifier.authenticate(secret);
      // Whoever it is, he may have been revoked meanwhile, and before the first snapshot nobody is known.
      if (token === 'VERIFIER_FENCED') {
        throw new StoreUnavailable('no lease, or no environment yet: tokens cannot be told from revoked ones');
      }
      return token;
    },
  };
}

function readPinned(file: string): string {
  const pem = readFileSync(file, 'utf8');
  try {
    return new X509Certificate(pem).toString();
  } catch {
    throw new ConfigError(`--control-cert: ${file} has to hold the control plane's certificate, in PEM`);
  }
}

/** What this verifier shares with others, where it is told of a Redis. */
function sharedStore({ redisUrl: url, redisDurable: durable }: Config, log: Log): SharedStore | null {
  if (url === undefined) return null;
  const events = {
    ready: (warnings: readonly string[]) => log.info({ warnings }, 'the shared store can be asked'),
    unavailable: (reason: string) => log.warn({ reason }, 'the shared store cannot be asked'),
  };
  try {
    return new RedisStore({ url, durable, events });
  } catch (error) {
    throw new ConfigError(`KEYHOLD_REDIS_URL: ${(error as Error).message}`);
  }
}

export function urlOf(address: unknown, host: string, secure: boolean): string {
  const { port } = address as { port: number };
  return `${secure ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
