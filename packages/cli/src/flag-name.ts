/** Of fields whose own names mean something else at the terminal. */
const FLAG_NAMES: Readonly<Record<string, string>> = {
  // INVARIANT: `--url` says where the token goes, and no field does.
  url: 'webhook-url',
  // Keys are named by their ids: whoever sees `--key` gives the key itself, and everybody could read it.
  keys: 'key-id',
};

/** The flag that fills a field; a list's is given once for each element. */
export function flagName(field: string, repeatable: boolean): string {
  return (
    FLAG_NAMES[field] ??
    (repeatable ? field.replace(/s$/, '') : field).replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
  );
}
