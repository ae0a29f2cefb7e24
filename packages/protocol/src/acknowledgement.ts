/**
 * How far a change has to be before it is answered, and how far it was; asked for and told in the header `Keyhold-Ack`.
 * `durable`: change and entry are synced. `integrated`: a signed checkpoint covers the entry. `witnessed`: enough
 * witnesses cosigned such a checkpoint.
 */
export const ACK_LEVELS = ['durable', 'integrated', 'witnessed'] as const;
export type AckLevel = (typeof ACK_LEVELS)[number];

/** Levels that have a name and can't be asked for yet: covered by what was written to a public chain. */
export const LATER_ACK_LEVELS: readonly string[] = ['anchored'];

export const ACK_HEADER = 'keyhold-ack';
/** Sequence of the entry of a change. */
export const ENTRY_HEADER = 'keyhold-entry';
