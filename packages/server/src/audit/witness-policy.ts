import { readFileSync } from 'node:fs';
import { PolicyUnreadable, readTrustPolicy, type TrustPolicy, type Witness } from '@keyhold/protocol/log/trust-policy';
import { ConfigError } from '../config.ts';
import { sha256 } from '../ledger/tree.ts';

/** A witness that is asked at an address, with each of its keys that the policy names. */
export interface AskedWitness {
  readonly url: string;
  readonly named: readonly Witness[];
}

/** Who witnesses this log, and how many of them are enough: "n of m". */
export interface WitnessPolicy {
  readonly asked: readonly AskedWitness[];
  /** Keys of logs, where the policy names some; those of this log are believed beside the ones in the database. */
  readonly logs: TrustPolicy['logs'];
  readonly isQuorum: TrustPolicy['isQuorum'];
}

/**
 * Reads a policy (c2sp.org/tlog-policy) whose witnesses can be asked. Two keys at one address are one witness.
 * @throws ConfigError
 */
export function openWitnessPolicy(path: string | undefined): WitnessPolicy | null {
  if (path === undefined) return null;
  try {
    return askable(readTrustPolicy(sha256, readFileSync(path, 'utf8')));
  } catch (error) {
    const isOurs = error instanceof PolicyUnreadable || (error as NodeJS.ErrnoException).code !== undefined;
    if (!isOurs) throw error;
    throw new ConfigError(`KEYHOLD_WITNESS_POLICY ${path}: ${(error as Error).message}`);
  }
}

function askable({ logs, witnesses, isQuorum }: TrustPolicy): WitnessPolicy {
  const byUrl = new Map<string, Witness[]>();
  for (const witness of witnesses) {
    const url = addressOf(witness);
    byUrl.set(url, [...(byUrl.get(url) ?? []), witness]);
  }
  return { asked: [...byUrl].map(([url, named]) => ({ url, named })), logs, isQuorum };
}

function addressOf({ name, url }: Witness): string {
  const address = URL.canParse(url ?? '') ? new URL(url as string) : null;
  if (address === null || !/^https?:$/.test(address.protocol)) {
    throw new PolicyUnreadable(`the witness ${name} has no http or https address, so it can't be asked`);
  }
  return address.href.replace(/\/$/, '');
}
