import { readFileSync } from 'node:fs';
import type { Config } from '../config.ts';

/** Certificate and key in PEM, where TLS is configured. */
export function readTls({ tls }: Pick<Config, 'tls'>): { cert: string; key: string } | undefined {
  if (tls === undefined) return undefined;
  return { cert: readFileSync(tls.certificateFile, 'utf8'), key: readFileSync(tls.keyFile, 'utf8') };
}
