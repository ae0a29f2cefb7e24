import { newPair } from '../delivery/pair-cipher.ts';

/** What a test's backup is encrypted to and opened with; made when it runs. */
export async function newAgePair(): Promise<{ readonly recipient: string; readonly identity: string }> {
  return await newPair();
}
