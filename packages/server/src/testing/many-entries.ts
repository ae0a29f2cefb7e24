import type { Ledger } from '../ledger/ledger.ts';

/** Enters so many uses, which change no row. */
export async function enterMany(ledger: Pick<Ledger, 'record'>, entries: number): Promise<void> {
  const draft = { actor: 'system', action: 'subject.used', subject: 'subject_1', evenWithoutChange: true } as const;
  await Promise.all(Array.from({ length: entries }, () => ledger.record(draft, async () => null)));
}
