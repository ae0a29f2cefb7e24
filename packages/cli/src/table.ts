import { printable } from '@keyhold/auditor/printable';

/** A column of a table, or a line of one thing: its name and what stands there. */
export type Field<T> = readonly [label: string, value: (item: T) => unknown];

const GAP = '  ';
/** Longer cells are cut in tables; one thing by itself is shown whole. */
const WIDEST_CELL = 60;

const plain = (text: string) => text;

/** Aligned columns under a header. */
export function renderTable<T>(fields: readonly Field<T>[], items: readonly T[], bold = plain): string[] {
  if (items.length === 0) return ['none'];
  const rows = items.map((item) => fields.map(([, value]) => cut(cell(value(item)))));
  const header = fields.map(([label]) => label.toUpperCase());
  const widths = header.map((label, i) => Math.max(width(label), ...rows.map((row) => width(row[i] as string))));
  const [first, ...rest] = [header, ...rows].map((row) =>
    row
      .map((text, i) => pad(text, widths[i] as number))
      .join(GAP)
      .trimEnd(),
  );
  return [bold(first as string), ...rest];
}

/** One thing, a line a field. */
export function renderDetails<T>(fields: readonly Field<T>[], item: T): string[] {
  const longest = Math.max(...fields.map(([label]) => width(label)));
  return fields.map(([label, value]) => `${pad(label, longest)}${GAP}${cell(value(item))}`);
}

/** A value in words; nothing is a dash. */
export function cell(value: unknown): string {
  if (value === null || value === undefined || value === '') return '-';
  if (Array.isArray(value)) return value.length === 0 ? '-' : value.map(cell).join(', ');
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
  return printable(text);
}

/** RFC 3339 without the milliseconds. */
export function time(text: string | null): string | null {
  return text === null ? null : text.replace(/\.\d+Z$/, 'Z');
}

function width(text: string): number {
  return [...text].length;
}

function pad(text: string, to: number): string {
  return text + ' '.repeat(to - width(text));
}

function cut(text: string): string {
  const characters = [...text];
  return characters.length <= WIDEST_CELL ? text : `${characters.slice(0, WIDEST_CELL - 1).join('')}…`;
}
