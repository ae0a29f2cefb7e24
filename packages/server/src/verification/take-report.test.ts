import assert from 'node:assert/strict';
import { it } from 'node:test';
import { addedUp, takeReport } from './take-report.ts';

interface Network {
  readonly network: string | null;
  readonly count: number;
}

it('a credential that a report names twice was used as often as both say, and last when the later does', () => {
  const use = (count: number, lastAt: number, lastIp: string | null, networks: Network[] = []) => ({
    ...{ id: 'cred_1', count, lastAt, lastIp, networks },
  });
  const other = { id: 'cred_2', count: 7, lastAt: 1, lastIp: null, networks: [] };
  const expected = [use(3, 20, '10.0.0.2'), other];
  assert.deepEqual(addedUp([use(1, 10, '10.0.0.1'), other, use(2, 20, '10.0.0.2')]), expected);
  assert.deepEqual(addedUp([use(2, 20, '10.0.0.2'), use(1, 10, '10.0.0.1'), other]), expected);
});

it('and its networks are those of both', () => {
  const [one, two] = [
    { network: '10.0.0.0/24', count: 1 },
    { network: null, count: 2 },
  ];
  const use = (count: number, networks: Network[]) => ({ id: 'cred_1', count, lastAt: 1, lastIp: null, networks });
  assert.deepEqual(addedUp([use(1, [one]), use(2, [two])]), [use(3, [one, two])]);
});

it('what a verifier could not tell apart is counted as that, also where it says nothing else', async () => {
  const told: unknown[] = [];
  const [nothing, none] = [() => {}, {} as never];
  const taking = { ...{ scratch: none, reader: none, places: none, clock: { wall: () => 1 } as never } };
  await takeReport(
    {
      ...{ ...taking, tokensUsed: nothing, broken: nothing, unreadable: { note: nothing } as never },
      counted: (...added) => void told.push(added),
    },
    { scope: none, verifier: 'ver_1' } as never,
    { credentials: [], quotas: [], denials: [], refused: [], tokens: [], uncounted: 3 },
  );
  assert.deepEqual(told, [[[], [], 3]]);
});

it('what a verifier names as an environment, and is none, is counted nowhere: it may be any text', async () => {
  const told: unknown[] = [];
  const [nothing, none] = [() => {}, {} as never];
  const places = { environmentOf: () => undefined } as never;
  await takeReport(
    {
      ...{ scratch: none, reader: none, places, clock: { wall: () => 1 } as never, tokensUsed: nothing },
      ...{ broken: nothing, unreadable: { note: nothing } as never, counted: (...added) => void told.push(added) },
    },
    { scope: { projects: null, environment: null }, verifier: 'ver_1' } as never,
    {
      ...{ credentials: [], quotas: [], refused: [], tokens: [] },
      denials: [{ environment: 'market_secret', code: 'MALFORMED', count: 1 }],
    },
  );
  assert.deepEqual(told, [[[], [], undefined]]);
});
