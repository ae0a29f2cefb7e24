import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { UsageError } from '../failure.ts';

/**
 * Lines of a JSON Lines export, parsed; a line that is not JSON comes as undefined.
 * @throws UsageError when the file can't be read
 */
export async function* readExport(file: string): AsyncGenerator<unknown> {
  const input = createReadStream(file);
  try {
    for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) yield parse(line);
  } catch (error) {
    throw new UsageError(`the file cannot be read (${(error as NodeJS.ErrnoException).code})`);
  } finally {
    input.destroy();
  }
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
