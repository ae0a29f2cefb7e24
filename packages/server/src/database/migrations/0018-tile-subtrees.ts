export const tileSubtrees: readonly string[] = ['ALTER TABLE log_tiles ADD COLUMN subtrees TEXT'];
