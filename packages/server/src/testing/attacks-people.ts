import type { AttackedWorld } from './attacks-world.ts';
import { type TestInstallation, send } from './installation.ts';
import { enrolOwner } from './person.ts';

const PEOPLE = 4;

/** The same world, attacked by a command line of its owner: with people in it whom he can name. */
export async function attackedByOwner(installation: TestInstallation, world: AttackedWorld): Promise<AttackedWorld> {
  const owner = await enrolOwner(installation);
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
  const ids: Readonly<Record<string, readonly string[]>> = { '^person_': people, '^role_': roles };
  return {
    ...world,
    admin: signedIn.body.secret,
    real: (name, schema) => {
      const kind = Object.keys(ids).find((prefix) => (schema.pattern ?? '').startsWith(prefix));
      return kind === undefined ? world.real(name, schema) : ids[kind];
    },
  };
}
