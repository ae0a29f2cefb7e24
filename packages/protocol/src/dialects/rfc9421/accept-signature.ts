import type { FieldLine, Malformed } from '../dialect.ts';
import type { Rfc9421Settings } from '../settings.ts';
import { type Component, readComponent } from './component.ts';
import { Fields } from './fields.ts';
import { isRefused, malformed } from './malformed.ts';
import { requestComponents } from './rfc9421.ts';
import { serializeDictionary } from './serialize-structured-field.ts';
import { MAX_COMPONENTS } from './signature-base.ts';
import { parametersOf, readParameters, type SignatureParameters } from './signature-parameters.ts';
import { type BareItem, type InnerList, isInnerList, type Member, TRUE, text } from './structured-field.ts';

/** A signature that one side asks the other for (RFC 9421 §5.1). */
export interface RequestedSignature extends Omit<SignatureParameters, 'created' | 'expires'> {
  readonly label: string;
  /** Exactly these are to be covered. */
  readonly components: readonly Component[];
  /** Whether the signer is to say when it signed, and until when that is good. */
  readonly created: boolean;
  readonly expires: boolean;
}

/** What a server asks of a client's next request under its settings. */
export function requestedOf(settings: Rfc9421Settings, hasBody: boolean): RequestedSignature {
  const { tag } = settings;
  const components = requestComponents(settings, hasBody);
  return { label: 'sig1', components, created: true, expires: false, ...(tag === undefined ? {} : { tag }) };
}

/** The value of an Accept-Signature field. */
export function writeAcceptSignature(requested: readonly RequestedSignature[]): string {
  const members = new Map<string, Member>();
  for (const { label, components, created, expires, ...values } of requested) {
    const parameters = new Map<string, BareItem>();
    // They have no value here (RFC 9421 §5.1).
    if (created) parameters.set('created', TRUE);
    if (expires) parameters.set('expires', TRUE);
    for (const [name, value] of parametersOf(values)) parameters.set(name, value);
    members.set(label, {
      items: components.map(({ name, parameters }) => ({ item: text(name), parameters })),
      parameters,
    });
  }
  return serializeDictionary(members);
}

/**
 * All that the message's Accept-Signature asks for; empty where there is none. Malformed in one member is malformed
 * altogether: whoever fulfils it must fulfil all (RFC 9421 §5).
 */
export function readAcceptSignature(headers: readonly FieldLine[]): readonly RequestedSignature[] | Malformed {
  const fields = new Fields(headers);
  if (fields.values('accept-signature').length === 0) return [];
  const parsed = fields.dictionary('accept-signature');
  if (parsed === null || parsed.repeated) return malformed('Accept-Signature is not a Dictionary of different keys');
  const requested: RequestedSignature[] = [];
  for (const [label, member] of parsed.value) {
    const one = isInnerList(member) ? readRequested(label, member) : malformed(`${label} is not an Inner List`);
    if (isRefused(one)) return one;
    requested.push(one);
  }
  return requested;
}

function readRequested(label: string, { items, parameters }: InnerList): RequestedSignature | Malformed {
  if (items.length > MAX_COMPONENTS) return malformed(`${label} asks for more than ${MAX_COMPONENTS} components`);
  const components: Component[] = [];
  for (const item of items) {
    const component = readComponent(item);
    if (isRefused(component)) return component;
    if (components.some(({ identity }) => identity === component.identity)) return malformed(`${label} asks twice`);
    components.push(component);
  }
  const values = new Map(parameters);
  const flags = { created: takeFlag(values, 'created'), expires: takeFlag(values, 'expires') };
  // A time that the asker sets is not among those that RFC 9421 §5.1 knows.
  const read = values.has('created') || values.has('expires') ? null : readParameters(values);
  if (read === null || isRefused(read)) return malformed(`${label} has a parameter that is not understood`);
  const { created: _created, expires: _expires, ...texts } = read;
  return { label, components, ...flags, ...texts };
}

function takeFlag(parameters: Map<string, BareItem>, name: string): boolean {
  const value = parameters.get(name);
  return value?.type === 'boolean' && value.value && parameters.delete(name);
}
