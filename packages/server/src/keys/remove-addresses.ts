import { forgetSessionAddresses } from '../access/sign-in/sessions.store.ts';
import type { Scratch } from '../database/scratch.ts';
import { forgetUseAddresses } from './usage.store.ts';

/** Removes where the keys of a consumer, and the sessions of a person, were last used from (decision 0031). */
export async function removeAddresses(scratch: Scratch, subject: string): Promise<void> {
  await scratch.write(async (tables) => {
    await forgetUseAddresses(tables, subject);
    await forgetSessionAddresses(tables, subject);
  });
}
