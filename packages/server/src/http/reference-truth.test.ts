import assert from 'node:assert/strict';
import { it } from 'node:test';
import { createPlace } from '../testing/databases.ts';
import { startInstallation } from '../testing/installation.ts';

interface Described {
  readonly operationId: string;
  readonly security?: readonly Readonly<Record<string, unknown>>[];
  readonly requestBody?: object;
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, { schema?: object }>> }>>;
}

interface Reference {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Described>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, object>> };
}

/** What anybody can send to any address, and is refused for. */
const BODIES: readonly (readonly [what: string, type: string, body: string])[] = [
  ['no JSON', 'application/json', '{'],
  ['another type', 'text/plain', 'x'],
  ['unknown fields', 'application/json', '{"no_such_field":1}'],
  ['too large', 'application/json', JSON.stringify({ x: 'x'.repeat(3 * 1024 * 1024) })],
];

it('answers each operation refuses with are among those that OpenAPI has, in the form that it says', async () => {
  await using place = await createPlace('sqlite');
  await using installation = await startInstallation(place);
  const verifierToken = (await installation.call('POST', '/v1/tokens', { name: 'v', scopes: ['verify'] })).body.secret;
  let answers = 0;
  for (const [url, token] of [
    [installation.controlUrl, installation.bootstrapToken],
    [installation.verifierUrl, verifierToken],
  ] as const) {
    const reference = (await (await fetch(new URL('/openapi.json', url))).json()) as Reference;
    assert.deepEqual(Object.keys(reference.components.schemas), ['Problem']);
    for (const [path, methods] of Object.entries(reference.paths)) {
      for (const [method, described] of Object.entries(methods)) {
        const address = new URL(path.replace(/\{\w+\}/g, '0'), url);
        const sent = described.requestBody === undefined ? [['nothing', '', ''] as const] : BODIES;
        for (const [what, type, body] of sent) {
          for (const authorization of [undefined, `Bearer ${token}`]) {
            const answer = await send(address, method, { type, body, authorization });
            const say = `${method} ${path}, ${what}: ${answer.status} ${answer.text.slice(0, 200)}`;
            const declared = described.responses[answer.status];
            assert.ok(declared !== undefined, `not in OpenAPI: ${say}`);
            if (answer.status >= 400) assert.ok(Object.hasOwn(declared.content ?? {}, answer.type), `its form: ${say}`);
            const isOpen = described.security?.length === 0;
            if (authorization === undefined)
              assert.equal(answer.status === 401, !isOpen, `needs nothing: ${isOpen}: ${say}`);
            answers++;
          }
        }
      }
    }
  }
  assert.ok(answers > 800, String(answers));
});

interface Sent {
  readonly type: string;
  readonly body: string;
  readonly authorization: string | undefined;
}

async function send(url: URL, method: string, { type, body, authorization }: Sent) {
  const headers = {
    ...(type === '' ? {} : { 'content-type': type }),
    ...(authorization === undefined ? {} : { authorization }),
  };
  const answer = await fetch(url, { method: method.toUpperCase(), headers, ...(type === '' ? {} : { body }) });
  const form = (answer.headers.get('content-type') ?? '').replace(/;.*/, '');
  return { status: answer.status, type: form, text: await answer.text() };
}
