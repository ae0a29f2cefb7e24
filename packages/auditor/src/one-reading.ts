/**
 * Parses JSON that has one reading: as `JSON.stringify` writes what comes of it. In any other a member may stand twice,
 * or a number with digits that are lost, and whoever reads the file otherwise would read what nobody checked.
 * @returns undefined where it is not such JSON
 */
export function parseOneReading(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return JSON.stringify(value) === text ? value : undefined;
  } catch {
    return undefined;
  }
}
