import { readFileSync, statSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import { type Refusal, refuse } from '@keyhold/protocol/errors';

const MAX_BYTES = 1024;

/** The PIN that lies in a file, or what is wrong with the file; never what is in it. */
export function readPinFile(file: string): string | Refusal {
  const refused = (why: string) => refuse('UNSEAL_REFUSED', `The PIN file ${file} ${why}`, '/pinFile');
  if (!isAbsolute(file)) return refused('is not named by its absolute path on the server.');
  try {
    const stat = statSync(file);
    if ((stat.mode & 0o077) !== 0) return refused(`is open to others: chmod 600 ${file}`);
    if (!stat.isFile() || stat.size > MAX_BYTES) return refused('does not hold a PIN.');
    const pin = readFileSync(file, 'utf8').replace(/\r?\n$/, '');
    return pin === '' ? refused('is empty.') : pin;
  } catch (error) {
    return refused(`cannot be read (${(error as NodeJS.ErrnoException).code}): put it back, or give the PIN.`);
  }
}
