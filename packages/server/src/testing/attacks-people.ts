import type { AttackedWorld } from './attacks-world.ts';
import { type TestInstallation, send } from './installation.ts';
import { enrolOwner } from './person.ts';
import { assertStatus } from './shared-market.ts';

const PEOPLE = 4;

/** The same, with what only an owner can give. */
export interface OwnedWorld extends AttackedWorld {
  /** Token of a provider that keeps its people here. */
  readonly provisioning: string;
  /** Token of a gateway. */
  readonly gateway: string;
}

/** The same world, attacked by a command line of its owner: with people in it whom he can name. */
export async function attackedByOwner(installation: TestInstallation, world: AttackedWorld): Promise<OwnedWorld> {
  const owner = await enrolOwner(installation);
  const post = async (path: string, body: object) =>
    assertStatus(await owner.call('POST', path, body, { confirm: true }), 201);
  const provider = { issuer: 'https://127.0.0.1:1', clientId: 'keyhold', makesPeople: false, roles: [] };
  assertStatus(await owner.call('PUT', '/v1/sign-on/corp', provider, { confirm: true }), 200);
  const [people, roles]: [string[], string[]] = [[], []];
  for (let i = 0; i < PEOPLE; i++) {
    const invited = await owner.call(
      'POST',
      '/v1/people',
      { name: `Person ${i}`, role: 'support', reason: 'test' },
      { confirm: true },
    );
    people.push(invited.body.person.id);
    roles.push(invited.body.person.roles[0].id);
  }
  const { secret: code } = (await owner.call('POST', '/v1/device-codes', {}, { confirm: true })).body;
  const signedIn = await send(new URL('/v1/device-sign-in', installation.controlUrl), 'POST', { code }, {});
  const at = { project: 'market', environment: 'test' };
  const consumer = await post('/v1/consumers', { project: 'market', name: 'behind a gateway' });
  const ids: Readonly<Record<string, readonly string[]>> = { '^person_': people, '^role_': roles };
  return {
    ...world,
    admin: signedIn.body.secret,
    // The world's own may long be revoked.
    credential: (await post('/v1/keys', { ...at, consumer: consumer.id, name: 'key', permissions: ['prices:read'] }))
      .secret,
    provisioning: (await post('/v1/sign-on/corp/provisioning-tokens', {})).secret,
    gateway: (await post('/v1/tokens', { name: 'gateway', scopes: ['verify'] })).secret,
    real: (name, schema) => {
      const kind = Object.keys(ids).find((prefix) => (schema.pattern ?? '').startsWith(prefix));
      return kind === undefined ? world.real(name, schema) : ids[kind];
    },
  };
}
