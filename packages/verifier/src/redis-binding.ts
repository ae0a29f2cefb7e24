import { hash } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { Clock } from './clock.ts';
import { bindScript, LAYOUT, PARTS, partKey, type Script } from './redis-scripts.ts';

const BIND = bindScript();

export interface BindOptions {
  readonly clock: Clock;
  readonly prefix: string;
  /** Between the server's clock and ours, milliseconds. */
  readonly maxSkewMs: number;
  readonly durable: boolean;
  readonly scripts: readonly Script[];
}

/** What a connection was found to lead to. */
export interface Bound {
  /** Names the server process and its turn as primary. */
  readonly reign: string;
  readonly warnings: readonly string[];
}

/**
 * Finds out whose memory a connection leads to, and makes it begin now where that is another's than before. Throws
 * where the server can't be relied on; the message is fit for a log.
 */
export async function bind(client: Redis, options: BindOptions): Promise<Bound> {
  const info = readInfo(await client.info());
  if (info.get('loading') === '1') throw new Error('it is loading its data');
  if (info.get('role') !== 'master') throw new Error('it is a replica, and only a primary can be written');
  const [process, turn] = [info.get('run_id'), info.get('master_replid')];
  if (process === undefined || turn === undefined) throw new Error('its INFO names no run_id and master_replid');
  // It goes with every call: short.
  const reign = hash('sha256', `${LAYOUT}:${process}:${turn}`, 'base64url').slice(0, 16);
  await checkSkew(client, options);
  for (const { text } of [BIND, ...options.scripts]) await client.script('LOAD', text);
  const { clock, prefix, durable } = options;
  const parts = Array.from({ length: PARTS }, (_, part) =>
    client.evalsha(BIND.sha1, 1, partKey(prefix, part, 'memory'), reign, Math.floor(clock.wall()), durable ? 1 : 0),
  );
  await Promise.all(parts);
  return { reign, warnings: await settingsToMend(client, durable) };
}

/** INVARIANT: memory begins by the server's clock, and requests are signed by others: they must be about the same. */
async function checkSkew(client: Redis, { clock, maxSkewMs }: BindOptions): Promise<void> {
  const before = clock.wall();
  const [seconds, microseconds] = await client.time();
  const after = clock.wall();
  const theirs = Number(seconds) * 1000 + Number(microseconds) / 1000;
  const skew = theirs < before ? theirs - before : Math.max(0, theirs - after);
  if (Math.abs(skew) > maxSkewMs)
    throw new Error(`its clock differs from ours by ${Math.round(skew)} ms; ${maxSkewMs} ms is the most`);
}

/** Where CONFIG may not be asked, as with hosted servers, nothing is known and nothing said. */
async function settingsToMend(client: Redis, durable: boolean): Promise<string[]> {
  const settings = new Map<string, string>();
  for (const name of ['maxmemory', 'maxmemory-policy', 'appendonly', 'appendfsync']) {
    const found = await client.config('GET', name).catch(() => []);
    const [, value] = found as string[];
    if (value !== undefined) settings.set(name, value);
  }
  const warnings: string[] = [];
  const policy = settings.get('maxmemory-policy');
  if (policy !== undefined && policy !== 'noeviction')
    warnings.push(`maxmemory-policy is ${policy}: under memory pressure it forgets nonces; set noeviction`);
  const appends = settings.get('appendonly');
  if (appends === 'no') warnings.push('appendonly is no: a restart forgets limits, quotas and rising nonces');
  if (durable && appends !== undefined && (appends !== 'yes' || settings.get('appendfsync') !== 'always'))
    warnings.push('it is said to be durable, and that needs appendonly yes and appendfsync always');
  return warnings;
}

function readInfo(text: string): Map<string, string> {
  const lines = text.split('\r\n').map((line) => line.split(':'));
  return new Map(lines.map(([name = '', value = '']) => [name, value]));
}
