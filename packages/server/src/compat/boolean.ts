const TRUE: readonly unknown[] = [true, 1, '1', 't', 'T', 'true', 'TRUE', 'True'];
const FALSE: readonly unknown[] = [false, 0, '0', 'f', 'F', 'false', 'FALSE', 'False', ''];

/** A truth as Vault takes it, also as text or number (its command line sends nothing but texts); null for everything else. */
export function readBoolean(value: unknown): boolean | null {
  if (TRUE.includes(value)) return true;
  return FALSE.includes(value) ? false : null;
}
