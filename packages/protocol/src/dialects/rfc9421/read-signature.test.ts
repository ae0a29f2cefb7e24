import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { it } from 'node:test';
import { type FieldLine, isMalformed, type ReceivedRequest } from '../dialect.ts';
import { type Message, requestMessage, responseMessage } from './message.ts';
import { readSignature, type SignatureRules } from './read-signature.ts';
import { rfc9421 } from './rfc9421.ts';

const BODY = Buffer.from('{"a":1}');
const [OWN, OTHER] = [BODY, Buffer.from('another')].map((body) => ({
  256: `sha-256=:${hash('sha256', body, 'base64')}:`,
  512: `sha-512=:${hash('sha512', body, 'base64')}:`,
})) as [Record<256 | 512, string>, Record<256 | 512, string>];
const SIGNATURE = `:${Buffer.alloc(64, 1).toString('base64')}:`;
const PLAIN = '("@method" "@target-uri");created=1000;keyid="cred_1"';
const DIGESTED = '("@method" "content-digest");created=1000;keyid="cred_1"';
const RULES: SignatureRules = { components: [], maxAgeSeconds: 60, nonceRequired: false };

function headersOf(input: string, more: readonly FieldLine[] = []): FieldLine[] {
  return [['Host', 'x.test'], ['Signature-Input', `sig1=${input}`], ['Signature', `sig1=${SIGNATURE}`], ...more];
}

function request(headers: readonly FieldLine[], changes: Partial<ReceivedRequest> = {}): ReceivedRequest {
  return { method: 'POST', target: '/a?b=1', scheme: 'https', headers, body: new Uint8Array(), ...changes };
}

function read(message: Message, rules: Partial<SignatureRules> = {}) {
  return readSignature(message, { ...RULES, ...rules });
}

function claim(message: Message, rules: Partial<SignatureRules> = {}) {
  const claimed = read(message, rules);
  if (isMalformed(claimed)) assert.fail(claimed.malformed);
  return claimed;
}

function refused(expected: RegExp, message: Message, rules: Partial<SignatureRules> = {}): void {
  const claimed = read(message, rules);
  assert.ok(isMalformed(claimed), `is read, though: ${expected}`);
  assert.match(claimed.malformed, expected);
}

const of = (input: string, more: readonly FieldLine[] = [], changes: Partial<ReceivedRequest> = {}) =>
  requestMessage(request(headersOf(input, more), changes));

it('asks for a nonce where settings do, and has the one that is signed', () => {
  refused(/no nonce/, of(PLAIN), { nonceRequired: true });
  assert.equal(claim(of(PLAIN)).nonce, null);
  const { nonce } = claim(of(`${PLAIN};nonce="n1"`), { nonceRequired: true });
  assert.deepEqual(nonce, { kind: 'once', value: 'n1' });
});

it('looks at signatures with the tag that settings name, and at no other', () => {
  refused(/the tag/, of(PLAIN), { tag: 'app' });
  refused(/the tag/, of(`${PLAIN};tag="other"`), { tag: 'app' });
  assert.equal(claim(of(`${PLAIN};tag="app"`), { tag: 'app' }).credential, 'cred_1');
  const both = requestMessage(
    request([
      ['Host', 'x.test'],
      ['Signature-Input', `proxy=${PLAIN};tag="proxy", mine=${PLAIN.replace('cred_1', 'cred_2')};tag="app"`],
      ['Signature', `proxy=${SIGNATURE}, mine=${SIGNATURE}`],
    ]),
  );
  assert.equal(claim(both, { tag: 'app' }).credential, 'cred_2');
  const other = request(headersOf(`${PLAIN};tag="other"`));
  assert.equal(rfc9421.recognises(other, { dialect: 'rfc9421', tag: 'app' }), false);
  assert.equal(rfc9421.recognises(other, { dialect: 'rfc9421' }), true);
});

it('is good until what is signed as its end, and never for longer than settings let it', () => {
  const until = (input: string) => {
    const { freshness } = claim(of(input));
    return [freshness?.until, freshness?.longest];
  };
  assert.deepEqual(until(PLAIN), [1_060_000, 1_600_000]);
  assert.deepEqual(until(`${PLAIN};expires=1010`), [1_010_000, 1_010_000]);
  assert.deepEqual(until(`${PLAIN};expires=9000`), [1_060_000, 1_600_000]);
  assert.deepEqual(until(`${PLAIN};expires=990`), [990_000, 990_000]);
});

it('is verified by the algorithm that it names, and by none that the RFC has no name for', () => {
  assert.deepEqual(claim(of(`${PLAIN};alg="ed25519"`)).algorithms, ['ed25519']);
  assert.ok(claim(of(PLAIN)).algorithms.length > 1);
  for (const alg of ['none', 'hmac-sha512', 'ED25519', '']) refused(/parameter alg/, of(`${PLAIN};alg="${alg}"`));
});

it('has no parameter that is unknown, of another type, or told twice', () => {
  for (const [more, expected] of [
    [';new=1', /parameter new/],
    [';nonce=n', /parameter nonce/],
    [';expires="1010"', /parameter expires/],
    [';expires=-1', /parameter expires/],
    [';created=1.5', /says something twice|parameter created/],
    [';tag=""', /parameter tag/],
    [';keyid="cred_2"', /twice/],
  ] as const) {
    refused(expected, of(PLAIN + more));
  }
  refused(/parameter created/, of(PLAIN.replace('1000', '"1000"')));
  refused(/when it was created/, of(PLAIN.replace(';created=1000', '')));
  refused(/names a key/, of(PLAIN.replace(';keyid="cred_1"', '')));
});

it('has the same labels in both fields, each once', () => {
  const fields = (input: string, signature: string) =>
    requestMessage(
      request([
        ['Host', 'x.test'],
        ['Signature-Input', input],
        ['Signature', signature],
      ]),
    );
  for (const [input, signature] of [
    [`a=${PLAIN}`, `b=${SIGNATURE}`],
    [`a=${PLAIN}`, `a=${SIGNATURE}, b=${SIGNATURE}`],
    [`a=${PLAIN}, b=${PLAIN}`, `a=${SIGNATURE}`],
  ] as const) {
    refused(/the same labels/, fields(input, signature));
  }
  refused(/twice/, fields(`a=${PLAIN}, a=${PLAIN}`, `a=${SIGNATURE}`));
  refused(/twice/, fields(`a=${PLAIN}`, `a=${SIGNATURE}, a=${SIGNATURE}`));
});

it('covers a digest of the body, which is the one that it has in its base', () => {
  const { 256: short, 512: long } = OWN;
  const digested = (input: string, field: string, more: readonly FieldLine[] = []) =>
    of(input, [['Content-Digest', field], ...more], { body: BODY });
  refused(/does not cover content-digest/, digested(PLAIN, short));
  assert.equal(claim(digested(DIGESTED, `${short}, ${long}`)).digests.length, 2);
  refused(/different keys/, digested(DIGESTED, `${short}, ${OTHER[256]}`));
  refused(/different keys/, digested(DIGESTED, short, [['content-digest', OTHER[256]]]));
  refused(/is not one/, digested(DIGESTED, 'sha-256=:AAAA:'));
  refused(/no digest by/, digested(DIGESTED, 'md5=:AAAA:'));
  const keyed = DIGESTED.replace('"content-digest"', '"content-digest";key="sha-256"');
  // Anybody could have put the other one beside it.
  const { digests } = claim(digested(keyed, `${short}, ${OTHER[512]}`));
  assert.deepEqual(digests, [{ algorithm: 'sha-256', value: new Uint8Array(hash('sha256', BODY, 'buffer')) }]);
});

it('does not cover its own body with a digest in a trailer, or with that of the request that it answers', () => {
  const asked = request(
    [
      ['Host', 'x.test'],
      ['Content-Digest', OWN[256]],
    ],
    { body: BODY },
  );
  for (const flag of ['tr', 'req']) {
    const input = `("@status" "content-digest";${flag});created=1000;keyid="cred_1"`;
    const headers = [...headersOf(input), ['Content-Digest', OWN[256]] as const];
    const trailers = [['Content-Digest', OWN[256]]] as const;
    refused(/does not cover content-digest/, responseMessage({ status: 200, headers, trailers, body: BODY }, asked));
  }
});

it('reads no trailers of a request: what covers one is refused', () => {
  for (const field of ['"x-a";tr', '"content-digest";tr']) {
    const headers = [['X-A', '1'] as const, ['Content-Digest', OWN[256]] as const, ['Trailer', 'X-A'] as const];
    const covering = of(`("@method" ${field});created=1000;keyid="cred_1"`, headers, { body: BODY });
    refused(/the message has no such field/, covering);
  }
});

it('has one line for each component, so that no value reads as another', () => {
  for (const scheme of ['https\n"x-a": 1', 'httpé']) {
    const covering = '("@scheme" "@method");created=1000;keyid="cred_1"';
    refused(/not one line of ASCII/, of(covering, [], { scheme: scheme as never }));
  }
  const field = (value: string) => of('("x-a");created=1000;keyid="cred_1"', [['X-A', value]]);
  for (const value of ['1\n"@method": GET', '1\r\n"@method": GET', 'é', '1\u0000']) {
    assert.ok(isMalformed(read(field(value))), JSON.stringify(value));
  }
});
