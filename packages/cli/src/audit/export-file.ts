import { createReadStream } from 'node:fs';
import { ExportLines, LineTooLong } from '@keyhold/auditor/export-lines';
import { UsageError } from '../failure.ts';

/**
 * Lines of a JSON Lines export, parsed; a line that is not JSON as an export has it comes as undefined.
 * @throws UsageError when the file can't be read
 * @throws LineTooLong
 */
export async function* readExport(file: string): AsyncGenerator<unknown> {
  const lines = new ExportLines();
  try {
    for await (const text of createReadStream(file, { encoding: 'utf8' })) yield* lines.take(text as string);
    yield* lines.end();
  } catch (error) {
    if (error instanceof LineTooLong) throw error;
    throw new UsageError(`the file cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
}
