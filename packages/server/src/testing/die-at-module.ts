/** Where a control plane can be made to die, by its own hand and `kill -9`. */
export const DEATH_STAGES = [
  /** All of a transaction was written; COMMIT was not sent. */
  'before-commit',
  /** COMMIT was sent; nobody heard of its outcome. */
  'commit-sent',
  /** Committed; nobody was told. */
  'committed',
  /** A tile was made, or a checkpoint signed, and is not kept. */
  'before-keeping',
  /** It is kept, and nobody has seen it. */
  'kept',
] as const;

export type DeathStage = (typeof DEATH_STAGES)[number];

/**
 * The module that kills a control plane at a stage, the `after`-th time that it comes there; with an action, from the
 * transaction on in which the `nth` entry of that action is written.
 */
export function dieAt(stage: DeathStage, after: number, from?: { action: string; nth: number }): string {
  const module = new URL('./die-at.ts', import.meta.url);
  module.searchParams.set('stage', stage);
  module.searchParams.set('after', String(after));
  if (from !== undefined) {
    module.searchParams.set('action', from.action);
    module.searchParams.set('nth', String(from.nth));
  }
  return module.href;
}
