import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { describe, it } from 'node:test';
import { CompactEncrypt, decodeProtectedHeader, generateSecret, importJWK, type JWK } from 'jose';
import { BodyNotDecrypted, encryptRequestBody, generateEncryptionKey, openRequestBody } from './body-encryption.ts';

const BODY = '{"side":"BUY","price":"100"}';
const TEXT = 'application/json';
const CREDENTIAL = 'cred_1';

describe('a body that passes through others', async () => {
  const server = await generateEncryptionKey();
  const make = () => encryptRequestBody(BODY, { to: server.publicKey, credential: CREDENTIAL, contentType: TEXT });
  const open = (jwe: string, credential = CREDENTIAL, keys = [server.privateKey]) =>
    openRequestBody(jwe, keys, credential);
  const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();

  it('is read by the server, its answer by who asked, and neither by what stands between', async () => {
    const request = await make();
    assert.doesNotMatch(Buffer.from(request.body.split('.')[3] ?? '', 'base64url').toString('latin1'), /BUY|price/);
    const opened = await open(request.body);
    assert.deepEqual([text(opened.body), opened.contentType], [BODY, TEXT]);
    const answer = await opened.answer('{"orderId":1}', TEXT);
    assert.doesNotMatch(answer, /orderId/);
    const read = await request.open(answer);
    assert.deepEqual([text(read.body), read.contentType], ['{"orderId":1}', TEXT]);
  });

  it('is refused from another signer, to another server, changed anywhere, or in another algorithm', async () => {
    const { body } = await make();
    const other = await generateEncryptionKey();
    await assert.rejects(open(body, 'cred_2'), BodyNotDecrypted);
    await assert.rejects(open(body, CREDENTIAL, [other.privateKey]), BodyNotDecrypted);
    await assert.rejects(
      open(body, CREDENTIAL, [{ ...other.privateKey, kid: server.publicKey.kid as string }]),
      BodyNotDecrypted,
    );
    const parts = body.split('.');
    for (const [i, part] of parts.entries()) {
      if (part === '') continue;
      const at = Math.floor(part.length / 2);
      const changed = part.slice(0, at) + (part[at] === 'A' ? 'B' : 'A') + part.slice(at + 1);
      await assert.rejects(open(parts.toSpliced(i, 1, changed).join('.')), BodyNotDecrypted, `part ${i}`);
    }
    const direct = await new CompactEncrypt(Buffer.from(BODY))
      .setProtectedHeader({ alg: 'dir', enc: 'A256GCM', kid: server.publicKey.kid as string, sub: CREDENTIAL })
      .encrypt(await generateSecret('A256GCM'));
    for (const jwe of [direct, '', '....', 'x', `${'A'.repeat(5_000)}....`, 'A'.repeat(3_000_000)]) {
      await assert.rejects(open(jwe), BodyNotDecrypted);
    }
  });

  it('has an answer of its own: that of another request is not taken for it, nor by another client', async () => {
    const [one, two] = [await make(), await make()];
    const answers = await Promise.all([one, two].map(async ({ body }) => (await open(body)).answer('{}', TEXT)));
    await assert.rejects(one.open(answers[1] as string), BodyNotDecrypted);
    await assert.rejects(two.open(answers[0] as string), BodyNotDecrypted);
    assert.equal(text((await two.open(answers[1] as string)).body), '{}');
  });

  it('has an answer by the server alone: nobody who only sees it pass makes one that opens', async () => {
    const request = await make();
    const header = decodeProtectedHeader(request.body);
    assert.deepEqual(Object.keys(header).sort(), ['alg', 'cty', 'enc', 'epk', 'kid', 'reply', 'sub']);
    const forged = async (alg: string, key: Awaited<ReturnType<typeof importJWK>>) =>
      await new CompactEncrypt(Buffer.from('{"status":"FILLED"}'))
        .setProtectedHeader({ alg, enc: 'A256GCM', cty: TEXT })
        .encrypt(key);
    const ephemeral = await importJWK(header['epk'] as JWK, 'ECDH-ES');
    const known = await importJWK(server.publicKey, 'ECDH-ES');
    for (const answer of [
      await forged('ECDH-ES', ephemeral),
      await forged('ECDH-ES', known),
      await forged('dir', new Uint8Array(32)),
      await forged('dir', hash('sha256', request.body, 'buffer')),
    ]) {
      await assert.rejects(request.open(answer), BodyNotDecrypted);
    }
  });

  it('is refused where it brings no key for its answer', async () => {
    for (const [plaintext, reply] of [
      [Buffer.alloc(31), 'A256GCM'],
      [Buffer.alloc(40), undefined],
      [Buffer.alloc(40), server.publicKey],
    ] as const) {
      const jwe = await new CompactEncrypt(plaintext)
        .setProtectedHeader({
          ...{ alg: 'ECDH-ES', enc: 'A256GCM', kid: server.publicKey.kid as string, sub: CREDENTIAL, cty: TEXT },
          ...(reply === undefined ? {} : { reply }),
        })
        .encrypt(await importJWK(server.publicKey, 'ECDH-ES'));
      await assert.rejects(open(jwe), /no key for its answer/);
    }
  });

  it('is opened with the key that it names, while keys are rotated', async () => {
    const next = await generateEncryptionKey();
    const keys = [next.privateKey, server.privateKey];
    assert.equal(text((await open((await make()).body, CREDENTIAL, keys)).body), BODY);
    const later = await encryptRequestBody(BODY, { to: next.publicKey, credential: CREDENTIAL, contentType: TEXT });
    assert.equal(text((await open(later.body, CREDENTIAL, keys)).body), BODY);
  });
});
