const MAX_LENGTH = 40;
const UNITS: Readonly<Record<string, number>> = { '': 1, s: 1, m: 60, h: 3600, d: 86_400 };

/** Seconds of a duration as Vault takes it (`30`, `"30s"`, `"1h30m"`), or null. */
export function readDuration(value: unknown): number | null {
  if (typeof value !== 'string' && typeof value !== 'number') return null;
  const text = String(value).trim();
  // Each way to read a text is the only one: nested repetition would try them all.
  if (text.length > MAX_LENGTH || !/^(?:\d{1,10}|(?:\d{1,10}[smhd])+)$/.test(text)) return null;
  let seconds = 0;
  for (const [, count, unit = ''] of text.matchAll(/(\d+)([smhd]?)/g))
    seconds += Number(count) * (UNITS[unit] as number);
  return Number.isSafeInteger(seconds) ? seconds : null;
}

/** As Vault writes it. */
export function writeDuration(seconds: number): string {
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60)];
  const parts = [hours > 0 ? `${hours}h` : '', hours > 0 || minutes > 0 ? `${minutes}m` : '', `${seconds % 60}s`];
  return parts.join('');
}
