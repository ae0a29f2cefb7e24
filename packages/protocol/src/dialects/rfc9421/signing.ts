import { toBase64 } from '../../log/base64.ts';
import type { FieldLine, SignatureAlgorithm } from '../dialect.ts';
import { type Component, parseComponent } from './component.ts';
import { isRefused } from './malformed.ts';
import type { Message } from './message.ts';
import { serializeMember } from './serialize-structured-field.ts';
import { signatureBase } from './signature-base.ts';
import { isAlgorithm, parametersOf, type SignatureParameters } from './signature-parameters.ts';
import { type InnerList, text } from './structured-field.ts';

/** A signature to be made: over what, and with which fields it is sent. */
export interface SignatureTask {
  readonly base: Uint8Array;
  /** Signature-Input and Signature (RFC 9421 §4). */
  fields(signature: Uint8Array): readonly FieldLine[];
}

/**
 * Makes the signature base of a message, and the fields that carry the signature (RFC 9421 §3.1).
 * @throws TypeError where the message has not what is to be covered
 */
export function signingTask(
  message: Message,
  label: string,
  components: readonly Component[],
  parameters: SignatureParameters,
): SignatureTask {
  const input = inputOf(components, parameters);
  const base = signatureBase(message, input);
  if (isRefused(base)) throw new TypeError(`cannot be signed: ${base.malformed}`);
  return {
    base: base.bytes,
    fields: (signature) => [
      ['Signature-Input', `${label}=${serializeMember(input)}`],
      ['Signature', `${label}=:${toBase64(signature)}:`],
    ],
  };
}

/** Covered components with parameters, as Signature-Input and Accept-Signature have them. */
export function inputOf(components: readonly Component[], parameters: SignatureParameters): InnerList {
  return {
    items: components.map(({ name, parameters }) => ({ item: text(name), parameters })),
    parameters: parametersOf(parameters),
  };
}

/** @throws TypeError where one of them is no component identifier */
export function componentsNamed(written: readonly string[]): readonly Component[] {
  return written.map((one) => {
    const component = parseComponent(one);
    if (isRefused(component)) throw new TypeError(component.malformed);
    return component;
  });
}

/** @throws TypeError where RFC 9421 has no such algorithm */
export function checkAlgorithm(algorithm: SignatureAlgorithm): void {
  if (!isAlgorithm(algorithm)) throw new TypeError(`RFC 9421 has no algorithm ${algorithm}`);
}
