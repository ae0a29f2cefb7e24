import type { Dialect } from '../dialect.ts';
import { OTP_HEADER } from '../../totp.ts';
import type { Rfc9421Settings } from '../settings.ts';
import { type Component, parseComponents } from './component.ts';
import { coversDigest } from './content-digest.ts';
import { Fields } from './fields.ts';
import { isRefused, malformed } from './malformed.ts';
import { requestMessage } from './message.ts';
import { prepareRequest } from './prepare-request.ts';
import { readSignature } from './read-signature.ts';
import { problemOf } from './refusal.ts';
import { bearsSignature } from './signature-fields.ts';
import { componentsNamed } from './signing.ts';

/** What a request's signature covers at least, where settings do not say it. */
export const DEFAULT_COMPONENTS: readonly string[] = ['@method', '@target-uri'];
const DEFAULT_MAX_AGE_SECONDS = 60;
const LABEL = 'sig1';
const OTP = componentsNamed([OTP_HEADER])[0] as Component;

/**
 * HTTP Message Signatures (RFC 9421) of requests, with Content-Digest (RFC 9530). All of §2, but that trailers of a request
 * are not read (§2.1.4): they come after the decision on it, and what covers one is refused. NOT signed: what `components`
 * leave out; and a query of nothing is like none where `@query` alone covers it (§2.2.7).
 */
export const rfc9421: Dialect<Rfc9421Settings> = {
  name: 'rfc9421',

  recognises: (request, { tag }) => bearsSignature(new Fields(request.headers), tag),

  read(request, settings) {
    const components = parseComponents(settings.components ?? DEFAULT_COMPONENTS);
    if (isRefused(components)) return components;
    const fault = coverageFault(components);
    if (fault !== null) return malformed(`the settings of the dialect are not safe: ${fault}`);
    return readSignature(requestMessage(request), {
      components,
      maxAgeSeconds: settings.maxAgeSeconds ?? DEFAULT_MAX_AGE_SECONDS,
      tag: settings.tag,
      nonceRequired: settings.nonce === 'required',
    });
  },

  async prepare(request, context, settings) {
    const components = requestComponents(settings, request.body.length > 0);
    const wanted = { label: LABEL, components, tag: settings.tag };
    if (context.otp === undefined) return prepareRequest(request, context, wanted);
    const others = request.headers.filter(([name]) => name.toLowerCase() !== OTP_HEADER);
    const withOtp = { ...request, headers: [...others, [OTP_HEADER, context.otp] as const] };
    const covering = components.some(({ identity }) => identity === OTP.identity) ? components : [...components, OTP];
    return prepareRequest(withOtp, context, { ...wanted, components: covering });
  },

  refuse: (code) => problemOf(code),
};

/**
 * What a request has to cover under these settings, the digest of a body included.
 * @throws TypeError where the settings name no component
 */
export function requestComponents(settings: Rfc9421Settings, hasBody: boolean): readonly Component[] {
  const components = componentsNamed(settings.components ?? DEFAULT_COMPONENTS);
  return hasBody && !components.some(coversDigest)
    ? [...components, ...componentsNamed(['content-digest'])]
    : components;
}

/** What is wrong with settings, or null: to be asked before they are stored. */
export function rfc9421SettingsFault(settings: Rfc9421Settings): string | null {
  const components = parseComponents(settings.components ?? DEFAULT_COMPONENTS);
  if (isRefused(components)) return components.malformed;
  const never = components.find(
    ({ name, parameters }) => name === '@status' || parameters.has('req') || parameters.has('tr'),
  );
  return never === undefined ? coverageFault(components) : `${never.identifier}: no request has it`;
}

/** A signature that leaves out what is done, or to what, is good for anything else of the kind (RFC 9421 §7.2.1). */
function coverageFault(components: readonly Component[]): string | null {
  const covers = (wanted: string) => components.some(({ name }) => name === wanted);
  if (!covers('@method')) return 'components leave out @method';
  if (covers('@target-uri') || covers('@request-target') || (covers('@path') && covers('@query'))) return null;
  return 'components leave out the target: name @target-uri, @request-target, or @path and @query';
}
