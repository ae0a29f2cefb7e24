import fc from 'fast-check';

/** The keywords of JSON Schema that the operations use. */
export interface Schema {
  readonly type?: string;
  readonly anyOf?: readonly Schema[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly patternProperties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly uniqueItems?: boolean;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
}

/** Values that exist, for a field: a made-up id would end at a 404 and hide the code behind it. */
export type RealValues = (name: string, schema: Schema) => readonly unknown[] | undefined;

const LONGEST = 40;

/** Values that the schema accepts (almost always: what a pattern yields too long is cut). */
export function arbitraryOf(schema: Schema, real: RealValues, name = ''): fc.Arbitrary<unknown> {
  const existing = real(name, schema);
  const made = madeUp(schema, real, name);
  if (existing === undefined || existing.length === 0) return made;
  return fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...existing) }, { weight: 1, arbitrary: made });
}

function madeUp(schema: Schema, real: RealValues, name: string): fc.Arbitrary<unknown> {
  if (schema.anyOf !== undefined) return fc.oneof(...schema.anyOf.map((member) => arbitraryOf(member, real, name)));
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
  if ('const' in schema) return fc.constant(schema.const);
  switch (schema.type) {
    case 'object':
      return objectOf(schema, real);
    case 'array':
      return arrayOf(schema, real, name);
    case 'string':
      return textOf(schema);
    case 'integer':
      return fc.integer({ min: schema.minimum ?? -(2 ** 31), max: schema.maximum ?? 2 ** 31 });
    case 'number':
      return fc.double({ noNaN: true, noDefaultInfinity: true });
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    default:
      return fc.jsonValue({ maxDepth: 3 });
  }
}

function objectOf({ properties, required = [] }: Schema, real: RealValues): fc.Arbitrary<unknown> {
  if (properties === undefined)
    return fc.dictionary(fc.string({ maxLength: 12 }), fc.jsonValue({ maxDepth: 2 }), { maxKeys: 4 });
  const members = Object.entries(properties).map(([name, member]) => [name, arbitraryOf(member, real, name)] as const);
  return fc.record(Object.fromEntries(members), { requiredKeys: [...required] });
}

function arrayOf({ items = {}, minItems = 0, maxItems = 4, uniqueItems }: Schema, real: RealValues, name: string) {
  const bounds = { minLength: minItems, maxLength: Math.min(maxItems, 4) };
  const item = arbitraryOf(items, real, name);
  if (uniqueItems !== true) return fc.array(item, bounds);
  return fc.uniqueArray(item, { ...bounds, selector: (value) => JSON.stringify(value) });
}

function textOf({ pattern, minLength = 0, maxLength = 200 }: Schema): fc.Arbitrary<string> {
  const bounds = { minLength, maxLength: Math.max(minLength, Math.min(maxLength, LONGEST)) };
  // Property escapes are beyond `stringMatching`; what they leave out are control characters and lone surrogates.
  if (pattern === undefined || pattern.includes('\\p{')) {
    return fc.oneof(fc.string({ ...bounds, unit: 'grapheme-ascii' }), fc.string({ ...bounds, unit: 'grapheme' }));
  }
  return fc.stringMatching(new RegExp(pattern)).map((text) => text.slice(0, maxLength));
}
