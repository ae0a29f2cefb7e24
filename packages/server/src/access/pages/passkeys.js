// What all pages do: speak with the API, and with the browser's passkeys.

const encoder = new TextEncoder();

export const toBytes = (text) =>
  Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (digit) => digit.charCodeAt(0));

export const toText = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replace(/=+$/, '');

/** A refusal of the server, in its words. */
export class Refused extends Error {
  constructor(status, { code, title, detail }) {
    super(detail || title || `The server answered ${status}.`);
    this.status = status;
    this.code = code;
  }
}

/** @param headers beside those of JSON */
export async function call(method, path, body, headers = {}) {
  const text = body === undefined ? undefined : JSON.stringify(body);
  const json = text === undefined ? {} : { 'content-type': 'application/json' };
  const response = await fetch(path, { method, headers: { ...json, ...headers }, body: text, cache: 'no-store' });
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refused(response.status, answer);
  return answer;
}

/** Makes a passkey as the server asks; its answer in JSON (WebAuthn §5.1.8). */
export async function createPasskey({ challenge, user, excludeCredentials = [], ...options }) {
  const made = await navigator.credentials.create({
    publicKey: {
      ...options,
      challenge: toBytes(challenge),
      user: { ...user, id: toBytes(user.id) },
      excludeCredentials: excludeCredentials.map(({ id, type }) => ({ type, id: toBytes(id) })),
    },
  });
  const { clientDataJSON, attestationObject } = made.response;
  const response = {
    clientDataJSON: toText(clientDataJSON),
    attestationObject: toText(attestationObject),
    publicKeyAlgorithm: made.response.getPublicKeyAlgorithm(),
  };
  return { id: made.id, rawId: toText(made.rawId), type: made.type, response };
}

/** Shows a passkey, one of `passkeys` where they are named; the answer in JSON. */
export async function showPasskey({ challenge, rpId, passkeys = [] }) {
  const allowCredentials = passkeys.map((id) => ({ type: 'public-key', id: toBytes(id) }));
  const shown = await navigator.credentials.get({
    publicKey: { challenge, rpId, allowCredentials, userVerification: 'required' },
  });
  const { clientDataJSON, authenticatorData, signature, userHandle } = shown.response;
  const response = {
    clientDataJSON: toText(clientDataJSON),
    authenticatorData: toText(authenticatorData),
    signature: toText(signature),
    ...(userHandle === null ? {} : { userHandle: toText(userHandle) }),
  };
  return { id: shown.id, rawId: toText(shown.rawId), type: shown.type, response };
}

const sha256 = (bytes) => crypto.subtle.digest('SHA-256', bytes);
const hex = (buffer) => Array.from(new Uint8Array(buffer), (byte) => byte.toString(16).padStart(2, '0')).join('');

/**
 * A passkey over one request: the value of Keyhold-Passkey. What is signed is the digest of just this, as the server
 * and the SDK write it (packages/protocol/src/request-passkey.ts): members in order, without spaces.
 */
export async function passkeyOver({ method, target, body = '', session }, { rpId, passkeys }) {
  const at = Date.now();
  const bodySha256 = hex(await sha256(encoder.encode(body)));
  const said = { at, bodySha256, credential: session, method, statement: 'confirm request', target, version: 1 };
  const challenge = new Uint8Array(await sha256(encoder.encode(JSON.stringify(said))));
  const { id, response } = await showPasskey({ challenge, rpId, passkeys });
  const { userHandle: _, ...signed } = response;
  return toText(encoder.encode(JSON.stringify({ at, assertion: { id, response: signed } })));
}

/** Somebody left it. */
class Left extends Error {}

/**
 * What somebody says to one request with what he has: a passkey over it, or a code of his app, which a nonce binds to it.
 */
export async function confirmationOver(request, self) {
  if (self.password === null || self.password === undefined) return { passkey: await passkeyOver(request, self) };
  const { method, target, body = '', session } = request;
  const bodySha256 = hex(await sha256(encoder.encode(body)));
  const code = await self.askCode(`${method} ${target}`);
  if (code === null) throw new Left('It was not confirmed, and nothing was done.');
  const { nonce } = await call('POST', '/v1/confirmations/nonces', { method, target, bodySha256, session });
  return { code: `${nonce}.${code}` };
}

/** Calls what has to be confirmed, for just this. */
export async function callConfirmed(method, path, body, self) {
  const text = body === undefined ? '' : JSON.stringify(body);
  const said = await confirmationOver({ method, target: path, body: text, session: self.session }, self);
  const header = said.passkey === undefined ? { 'keyhold-code': said.code } : { 'keyhold-passkey': said.passkey };
  return await call(method, path, body, header);
}

/** What went wrong, for a person. */
export function inWords(error) {
  if (error instanceof Refused) return error.message;
  if (error.name === 'NotAllowedError') return 'No passkey was shown: it was cancelled, or took too long.';
  if (error.name === 'InvalidStateError') return 'This device has a passkey for you already.';
  if (error.name === 'SecurityError')
    return `Passkeys do not work at ${location.origin}: open the page by its own name.`;
  if (error instanceof TypeError) return 'No answer from the server. Try again.';
  return String(error.message);
}

/** Runs what a button does: one at a time, and with a word on how it ended. */
export async function doing(button, note, work) {
  button.disabled = true;
  note.className = 'quiet';
  note.textContent = 'One moment.';
  try {
    note.textContent = (await work()) ?? '';
  } catch (error) {
    note.className = 'alert';
    note.textContent = inWords(error);
    if (error.status === 401 && location.pathname === '/account') location.assign('/sign-in');
  } finally {
    button.disabled = false;
  }
}
