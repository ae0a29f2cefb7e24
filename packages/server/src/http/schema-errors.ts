import { type Refusal, refuse } from '@keyhold/protocol/errors';
import { printable } from './json-body.ts';

export interface SchemaError {
  readonly keyword: string;
  /** JSON pointer into the schema, after a `#`. */
  readonly schemaPath: string;
  readonly instancePath: string;
  readonly params: unknown;
  readonly message: string;
}

/** As much of a JSON schema as tells what was wanted. */
interface Schema {
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly description?: string;
}

/** Names the failing field; says what is expected and never what was sent, which may be a secret. */
export function describeErrors(root: object, errors: readonly SchemaError[], isBody: boolean, part: string): Refusal {
  const { path, detail } = finding(root as Schema, errors);
  const field = path
    .split('/')
    .slice(1)
    .map((step) => `/${printable(step)}`)
    .join('');
  return refuse('INVALID_INPUT', detail, isBody ? field || '/' : field.replace(/^\//, '') || part);
}

interface Finding {
  readonly path: string;
  readonly detail: string;
}

/** What isn't known says most, then the first that no union failed by. */
function finding(root: Schema, errors: readonly SchemaError[]): Finding {
  const [union, ...inner] = errors.filter(({ keyword }) => keyword === 'anyOf').sort(outermostFirst);
  const outside = union === undefined ? errors : errors.filter(({ schemaPath }) => !isWithin(schemaPath, union));
  const plain = outside.filter(({ keyword }) => keyword !== 'boolean' && keyword !== 'anyOf');
  const error = plain.find(({ keyword }) => keyword === 'additionalProperties') ?? plain[0];
  if (error !== undefined) return { path: pathOf(error), detail: textOf(root, error) };
  if (union === undefined) return { path: '', detail: 'This field does not have the right form.' };
  const others = inner.filter(({ schemaPath }) => !isWithin(schemaPath, union) && schemaPath !== union.schemaPath);
  return inUnion(
    root,
    union,
    errors.filter((one) => one !== union && !others.includes(one)),
  );
}

function outermostFirst(one: SchemaError, other: SchemaError): number {
  return one.schemaPath.length - other.schemaPath.length;
}

function isWithin(schemaPath: string, union: SchemaError): boolean {
  return schemaPath.startsWith(`${union.schemaPath}/anyOf/`);
}

/** Speaks of the one member that was meant: by the field that tells them apart, else the one that got furthest. */
function inUnion(root: Schema, union: SchemaError, errors: readonly SchemaError[]): Finding {
  const members = at(root, union.schemaPath)?.anyOf ?? [];
  const own = members.map((_, i) =>
    errors.filter(({ schemaPath }) => `${schemaPath}/`.startsWith(`${union.schemaPath}/anyOf/${i}/`)),
  );
  const path = union.instancePath;
  const values = members.flatMap(valuesOf);
  if (values.length === members.flatMap((one) => one.enum ?? [one]).length) return { path, detail: oneOf(values) };
  const isOfType = (i: number) =>
    !own[i]?.some(({ keyword, instancePath }) => keyword === 'type' && instancePath === path);
  const left = members.map((_, i) => i).filter(isOfType);
  const tag = tagOf(members);
  if (tag !== undefined && left.length > 0) {
    const meant = left.filter((i) => !own[i]?.some((error) => misses(error, `${path}/${tag}`)));
    if (meant.length === 0) {
      return {
        path: `${path}/${tag}`,
        detail: oneOf(left.flatMap((i) => valuesOf(members[i]?.properties?.[tag] ?? {}))),
      };
    }
    return finding(root, own[meant[0] as number] ?? []);
  }
  const chosen = left.map((i) => own[i] ?? []).sort((one, other) => depthOf(other) - depthOf(one))[0];
  return finding(root, chosen ?? own[0] ?? []);
}

/** The field by which all of a union's objects differ. */
function tagOf(members: readonly Schema[]): string | undefined {
  const objects = members.flatMap(({ properties }) => (properties === undefined ? [] : [properties]));
  const isTag = (name: string) => objects.every((properties) => valuesOf(properties[name] ?? {}).length > 0);
  return objects.length < 2 ? undefined : Object.keys(objects[0] ?? {}).find(isTag);
}

function misses(error: SchemaError, path: string): boolean {
  if (error.keyword === 'required') return missingOf(error).some((name) => `${error.instancePath}/${name}` === path);
  return error.instancePath === path;
}

function depthOf(errors: readonly SchemaError[]): number {
  return Math.max(0, ...errors.map(({ instancePath }) => instancePath.split('/').length));
}

function valuesOf({ const: constant, enum: values, type }: Schema): readonly unknown[] {
  if (constant !== undefined) return [constant];
  return values ?? (type === 'null' ? [null] : []);
}

function oneOf(values: readonly unknown[]): string {
  const texts = [...new Set(values.map((value) => JSON.stringify(value)))];
  return texts.length === 1 ? `This field takes ${texts[0]}.` : `This field takes one of ${texts.join(', ')}.`;
}

function missingOf({ params }: SchemaError): readonly string[] {
  return (params as { readonly requiredProperties?: readonly string[] }).requiredProperties ?? [];
}

function pathOf(error: SchemaError): string {
  const { additionalProperties = [] } = error.params as { readonly additionalProperties?: readonly string[] };
  const name = missingOf(error)[0] ?? additionalProperties[0];
  return name === undefined ? error.instancePath : `${error.instancePath}/${name}`;
}

function textOf(root: Schema, { keyword, schemaPath, message }: SchemaError): string {
  if (keyword === 'additionalProperties') return 'There is no such field here.';
  if (keyword === 'required') return 'This field is missing.';
  const schema = at(root, schemaPath) ?? {};
  if (keyword === 'enum' || keyword === 'const') return oneOf(valuesOf(schema));
  if (keyword !== 'pattern' && keyword !== 'format') return `This field ${message}.`;
  // A pattern is for machines.
  const { description } = schema;
  return `This field does not have the right form${description === undefined ? '.' : `: ${description}`}`;
}

function at(root: Schema, schemaPath: string): Schema | undefined {
  let found: unknown = root;
  for (const step of schemaPath.split('/').slice(1)) {
    if (typeof found !== 'object' || found === null) return undefined;
    found = (found as Record<string, unknown>)[step.replaceAll('~1', '/').replaceAll('~0', '~')];
  }
  return found as Schema | undefined;
}
