import { statSync } from 'node:fs';
import type { Given } from './command.ts';
import { UsageError } from './failure.ts';
import type { Flag } from './flag.ts';

export const OVERWRITE: Flag = { name: 'overwrite', about: 'Replaces the file that --output names.' };

/** Asked before the server is: what somebody keeps is not lost to a name that was typed twice. */
export function refuseExisting({ output, overwrite }: Given['own']): void {
  if (typeof output !== 'string' || overwrite === true) return;
  if (statSync(output, { throwIfNoEntry: false })?.isFile() === true) {
    throw new UsageError('the file that --output names is there already; --overwrite replaces it');
  }
}
