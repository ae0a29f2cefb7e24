import type { Malformed } from '../dialect.ts';
import type { Fields } from './fields.ts';
import { isRefused, malformed } from './malformed.ts';
import { type Dictionary, type InnerList, isInnerList } from './structured-field.ts';

/** One signature of a message: what it covers with its parameters, and its bytes (RFC 9421 §4). */
export interface LabelledSignature {
  readonly label: string;
  readonly input: InnerList;
  readonly signature: Uint8Array;
}

const MAX_SIGNATURES = 16;
/** RSA of 8192 bits. */
const MAX_SIGNATURE_BYTES = 1024;

/**
 * The one signature that counts: the first in Signature-Input that names a key and, where a tag is asked for, has that
 * tag (RFC 9421 §3.2, step 1.1). A proxy appends its own after the client's.
 *
 * INVARIANT: one is chosen before anything is verified, and no other is tried when it fails. That another signature is
 * good says nothing of this one (§7.2.6).
 */
export function chosenSignature(headers: Fields, tag: string | undefined): LabelledSignature | Malformed {
  const inputs = labelled(headers, 'signature-input');
  if (isRefused(inputs)) return inputs;
  const signatures = labelled(headers, 'signature');
  if (isRefused(signatures)) return signatures;
  // RFC 9421 §4: a label in one field and not in the other is an error.
  const same = inputs.size === signatures.size && [...inputs.keys()].every((label) => signatures.has(label));
  if (!same) return malformed('Signature-Input and Signature do not have the same labels');
  for (const [label, input] of inputs) {
    if (!isInnerList(input)) return malformed(`Signature-Input: ${label} is not an Inner List`);
    if (!input.parameters.has('keyid') || !hasTag(input, tag)) continue;
    const member = signatures.get(label);
    const bytes =
      member === undefined || isInnerList(member) || member.item.type !== 'bytes' ? null : member.item.value;
    if (bytes === null || bytes.length === 0 || bytes.length > MAX_SIGNATURE_BYTES) {
      return malformed(`Signature: ${label} is not a Byte Sequence of a signature's length`);
    }
    return { label, input, signature: bytes };
  }
  return malformed(
    tag === undefined ? 'no signature names a key by keyid' : 'no signature has the tag and names a key',
  );
}

/** True where the message is signed in the way of RFC 9421, well or not. Signatures with another tag are none. */
export function bearsSignature(headers: Fields, tag: string | undefined): boolean {
  if (headers.values('signature-input').length === 0) return false;
  const inputs = tag === undefined ? null : headers.dictionary('signature-input');
  if (inputs === null) return true;
  return [...inputs.value.values()].some((member) => !isInnerList(member) || hasTag(member, tag));
}

function hasTag({ parameters }: InnerList, tag: string | undefined): boolean {
  if (tag === undefined) return true;
  const parameter = parameters.get('tag');
  return parameter?.type === 'string' && parameter.value === tag;
}

/** Labels are unique across all lines of the field (RFC 9421 §4.1, §4.2), and so is every parameter here. */
function labelled(headers: Fields, name: string): Dictionary | Malformed {
  if (headers.values(name).length === 0) return malformed(`there is no ${name} field`);
  const parsed = headers.dictionary(name);
  if (parsed === null) return malformed(`${name} is not a Dictionary of a bearable length (RFC 9651)`);
  if (parsed.repeated) return malformed(`${name} says something twice`);
  return parsed.value.size > MAX_SIGNATURES
    ? malformed(`${name} has more than ${MAX_SIGNATURES} labels`)
    : parsed.value;
}
