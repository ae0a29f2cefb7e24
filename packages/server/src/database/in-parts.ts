/** Of one statement, within SQLite's bound on parameters. */
const IDS_AT_ONCE = 1000;

/** Reads the rows of any number of ids, part by part. */
export async function inParts<Row>(
  ids: readonly string[],
  read: (some: readonly string[]) => Promise<Row[]>,
): Promise<Row[]> {
  const rows: Row[] = [];
  for (let i = 0; i < ids.length; i += IDS_AT_ONCE) rows.push(...(await read(ids.slice(i, i + IDS_AT_ONCE))));
  return rows;
}
