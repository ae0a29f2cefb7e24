import fc from 'fast-check';

/** Text that stands for itself in the JSON, where `JSON.stringify` could not write it. */
const RAW = '@raw:';
const RAW_PATTERN = /"@raw:([^"]*)"/g;
const DEEP = 10_000;

/** Spelled-out values would make bodies unreadable in a failure, so long ones have names. */
const RAW_TEXTS: Readonly<Record<string, string>> = {
  digits: '9'.repeat(10_000),
  fraction: `0.${'3'.repeat(10_000)}`,
  arrays: '['.repeat(DEEP) + ']'.repeat(DEEP),
  objects: `${'{"a":'.repeat(DEEP / 2)}1${'}'.repeat(DEEP / 2)}`,
  unclosed: '['.repeat(DEEP),
  surrogate: '"\\ud800"',
  reversed: '"\\udc00\\ud800"',
  nul: '"a\\u0000b"',
};

export const raw = (text: string) => `${RAW}${text}`;

/** JSON text of a value that may hold raw parts. */
export function toJsonText(value: unknown): string {
  const text = JSON.stringify(value) ?? '';
  return text.replace(RAW_PATTERN, (_whole, name: string) => RAW_TEXTS[name] ?? name);
}

/** Refused wherever they stand: no field takes them, free metadata included. */
export const NEVER_TAKEN: readonly unknown[] = [
  ...['digits', 'arrays', 'objects', 'unclosed', 'surrogate', 'reversed', 'nul'].map(raw),
  ...['1e400', '-1e400', 'NaN', 'Infinity', '-Infinity', '0x10', '01', '+1', '.5', '1.', 'undefined', "'a'"].map(raw),
];

/** Refused by most fields: what each takes is said by its schema. */
const SELDOM_TAKEN: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  1.5,
  1e308,
  Number.MAX_SAFE_INTEGER,
  '',
  ' ',
  [],
  {},
  [[]],
  [null],
  [{}],
  { a: 1 },
  [1, 'a'],
  ...['9007199254740993', '1e21', '-0', '1E+2', '0.1e1', 'fraction'].map(raw),
  '..',
  '../../etc/passwd',
  "' or 1=1 --",
  '"; drop table keys; --',
  '%',
  '_',
  '\\',
  '$1',
  '${x}',
  '{{x}}',
  '<b>',
  '🂡',
  '\u0001',
  '\u007f',
  '\u2028',
  '\ufeff',
  '\uffff',
  '\u202e',
  'e\u0301',
  'İ',
  'ß'.repeat(300),
  'a'.repeat(10_000),
  '9'.repeat(400),
  '2020-02-30T00:00:00Z',
  '2040-02-30T00:00:00Z',
  '2040-06-31T00:00:00Z',
  '2041-02-29T00:00:00Z',
  '2040-01-01T24:00:00Z',
  '+999999-01-01T00:00:00Z',
  '1.2.3.4/33',
  '::/129',
  '0.0.0.0/0',
  '::ffff:1.2.3.4/96',
  'a:b',
  '*:*',
  '(',
  'a:b and',
  '('.repeat(1000),
  `${'(a:b and '.repeat(100)}a:b`,
  'constructor',
  '__proto__',
  'toString',
  'hasOwnProperty',
];

export const hostileValue: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom(...SELDOM_TAKEN),
  fc.constantFrom(...NEVER_TAKEN),
  fc.string({ unit: 'binary', maxLength: 80 }),
  fc.jsonValue({ maxDepth: 4 }),
);

/** Names that no field has and none may have. */
export const FORBIDDEN_NAMES = ['__proto__', 'constructor', 'prototype'] as const;
export const strangeName = fc.constantFrom(
  '',
  ' ',
  'x',
  'Name',
  'secret',
  'a.b',
  'a/b',
  '~0',
  '$ref',
  '🂡',
  'a'.repeat(5000),
  '\u0000',
);

/** Every place in a value: the steps that lead there. */
export function placesIn(value: unknown, here: readonly string[] = []): (readonly string[])[] {
  if (typeof value !== 'object' || value === null) return [here];
  return [here, ...Object.entries(value).flatMap(([name, member]) => placesIn(member, [...here, name]))];
}

/** A copy with something else at that place; `undefined` takes the member away. */
export function replaceAt(value: unknown, [step, ...rest]: readonly string[], put: unknown): unknown {
  if (step === undefined) return put;
  const members = Object.entries((value ?? {}) as object).map(([name, member]): [string, unknown] => [
    name,
    name === step ? replaceAt(member, rest, put) : member,
  ]);
  const kept = members.filter(([, member]) => member !== undefined);
  return Array.isArray(value) ? kept.map(([, member]) => member) : Object.fromEntries(kept);
}

/** A copy whose object at that place (or the nearest around it) has one member more. */
export function addAt(value: unknown, place: readonly string[], name: string, put: unknown): unknown {
  const target = place.reduce<unknown>((inner, step) => (inner as Record<string, unknown>)[step], value);
  if (typeof target !== 'object' || target === null || Array.isArray(target)) {
    return place.length === 0 ? { [name]: put } : addAt(value, place.slice(0, -1), name, put);
  }
  return replaceAt(value, place, Object.fromEntries([...Object.entries(target), [name, put]]));
}
