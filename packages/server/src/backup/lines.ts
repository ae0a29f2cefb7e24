import { RestoreRefused } from './restore-backup.ts';
import { MAX_DELIVERED_BYTES } from '../delivery/create-delivery.ts';

/** Longest line: a row with the largest envelope, as hex, with room. */
const MAX_LINE_BYTES = 2 * MAX_DELIVERED_BYTES + 1024 * 1024;

/**
 * Lines of a stream of bytes, each with its line feed.
 * @throws RestoreRefused when a line is longer than any row
 */
export async function* linesOfStream(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let kept: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream) {
    let from = 0;
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    for (let end = bytes.indexOf(0x0a); end >= 0; end = bytes.indexOf(0x0a, from)) {
      yield Buffer.concat([...kept, bytes.subarray(from, end + 1)]);
      kept = [];
      size = 0;
      from = end + 1;
    }
    const rest = bytes.subarray(from);
    size += rest.length;
    if (size > MAX_LINE_BYTES) throw new RestoreRefused('a line of it is longer than any row');
    if (rest.length > 0) kept.push(Buffer.from(rest));
  }
  if (kept.length > 0) yield Buffer.concat(kept);
}
