import { fromBase64Url, toBase64Url, toBytes, toHex } from '@keyhold/protocol/dialects/bytes';
import type { OutgoingRequest } from '@keyhold/protocol/dialects/dialect';
import { PASSKEY_HEADER, passkeyStatement, writePasskey } from '@keyhold/protocol/request-passkey';
import { nowOf } from './sign-request.ts';
import { digest } from './signing-key.ts';

/** Who confirms, and where. */
export interface PasskeyHolder {
  /** Id of the credential that signs the request, or the bearer key that it carries. */
  readonly credential: { readonly id: string } | { readonly key: string };
  /** Domain of the passkey, as it was enrolled. */
  readonly rpId: string;
  /** Ids of passkeys to choose from, base64url; left out: the browser offers those that it has. */
  readonly passkeys?: readonly string[];
  /** Epoch milliseconds; default: this machine's clock. */
  readonly now?: () => number;
}

/** As much of `navigator.credentials` as is needed. */
export interface PasskeySource {
  get(options: { readonly publicKey: object }): Promise<unknown>;
}

/**
 * Lets a person confirm a request with a passkey, in the browser: it is bound to this request, byte for byte, and good
 * for two minutes, once. Sign first, then confirm: nothing may change afterwards.
 * @param source default: `navigator.credentials`
 * @throws DOMException where nobody confirmed; TypeError where an id in `passkeys` is none
 */
export async function confirmWithPasskey(
  request: OutgoingRequest,
  holder: PasskeyHolder,
  source: PasskeySource = (globalThis as unknown as { navigator: { credentials: PasskeySource } }).navigator
    .credentials,
): Promise<OutgoingRequest> {
  const { pathname, search } = new URL(request.url);
  const at = nowOf(holder);
  const { credential } = holder;
  const statement = passkeyStatement({
    method: request.method,
    target: pathname + search,
    bodySha256: toHex(await digest('sha-256', request.body)),
    credential: 'id' in credential ? credential.id : toHex(await digest('sha-256', toBytes(credential.key))),
    at,
  });
  const allowed = (holder.passkeys ?? []).map((id) => ({ type: 'public-key', id: idBytes(id) }));
  const given = (await source.get({
    publicKey: {
      challenge: new Uint8Array(await digest('sha-256', statement)),
      rpId: holder.rpId,
      userVerification: 'required',
      ...(allowed.length === 0 ? {} : { allowCredentials: allowed }),
    },
  })) as GivenCredential;
  const { clientDataJSON, authenticatorData, signature } = given.response;
  const response = {
    clientDataJSON: toBase64Url(new Uint8Array(clientDataJSON)),
    authenticatorData: toBase64Url(new Uint8Array(authenticatorData)),
    signature: toBase64Url(new Uint8Array(signature)),
  };
  const value = writePasskey({ at, assertion: { id: given.id, response } });
  const others = request.headers.filter(([name]) => name.toLowerCase() !== PASSKEY_HEADER);
  return { ...request, headers: [...others, ['Keyhold-Passkey', value]] };
}

/** As much of a PublicKeyCredential as is read. */
interface GivenCredential {
  readonly id: string;
  readonly response: Readonly<Record<'clientDataJSON' | 'authenticatorData' | 'signature', ArrayBuffer>>;
}

function idBytes(id: string): Uint8Array {
  const bytes = fromBase64Url(id);
  if (bytes === null) throw new TypeError(`${JSON.stringify(id)} is not the id of a passkey: those are base64url.`);
  return bytes;
}
