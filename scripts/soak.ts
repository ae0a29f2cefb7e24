// `npm run soak`: the whole of every large count that `npm test` runs a share of. Takes hours on two cores.
// `npm run soak -- simulation|crash|log-crash|log-memory|secrets|policies|hostile …` runs those only.
import { availableParallelism } from 'node:os';
import { runTests } from './soak/run-tests.ts';
import { simulate } from './soak/simulate.ts';

const SCHEDULES = Number(process.env['KEYHOLD_SIMULATIONS'] ?? 100_000);
const CRASH_ROUNDS = process.env['KEYHOLD_CRASH_ROUNDS'] ?? '50';
const LISTED_SECRETS = process.env['KEYHOLD_LISTED_SECRETS'] ?? '100000';
const LISTED_VERSIONS = process.env['KEYHOLD_LISTED_VERSIONS'] ?? '10000';
const LOG_KILLS = process.env['KEYHOLD_LOG_KILLS'] ?? '300';
const LOG_ENTRIES = process.env['KEYHOLD_LOG_ENTRIES'] ?? '1000000';
const POLICY_SETS = process.env['KEYHOLD_POLICY_SETS'] ?? '10000';
const FUZZ_CASES = process.env['KEYHOLD_FUZZ_CASES'] ?? '100000';

const parts: Readonly<Record<string, () => Promise<boolean>>> = {
  simulation: () => simulate(SCHEDULES, availableParallelism()),
  crash: () =>
    runTests(
      [
        'packages/server/src/crash.test.ts',
        'packages/server/src/vault/seal-crash.test.ts',
        'packages/server/src/secrets/rotation-crash.test.ts',
      ],
      {
        KEYHOLD_CRASH_ROUNDS: CRASH_ROUNDS,
        KEYHOLD_SEAL_CRASH_ROUNDS: CRASH_ROUNDS,
        KEYHOLD_SEAL_STEP_ROUNDS: CRASH_ROUNDS,
        KEYHOLD_ROTATION_CRASH_ROUNDS: CRASH_ROUNDS,
      },
    ),
  'log-crash': () => runTests(['packages/server/src/log-crash.test.ts'], { KEYHOLD_LOG_KILLS: LOG_KILLS }),
  'log-memory': () => runTests(['packages/server/src/log-memory.test.ts'], { KEYHOLD_LOG_ENTRIES: LOG_ENTRIES }),
  secrets: () =>
    runTests(['packages/server/src/secrets/list-secrets.test.ts'], {
      KEYHOLD_LISTED_SECRETS: LISTED_SECRETS,
      KEYHOLD_LISTED_VERSIONS: LISTED_VERSIONS,
    }),
  policies: () =>
    runTests(['packages/server/src/access/policies/engine.test.ts'], { KEYHOLD_POLICY_SETS: POLICY_SETS }),
  hostile: () =>
    runTests(
      ['hostile-input', 'hostile-feed', 'compat/hostile-input', 'planted-secrets'].map(
        (name) => `packages/server/src/${name}.test.ts`,
      ),
      { KEYHOLD_FUZZ_CASES: FUZZ_CASES, KEYHOLD_PLANTED: 'every' },
    ),
};

const wanted = process.argv.slice(2);
const unknown = wanted.find((name) => parts[name] === undefined);
if (unknown !== undefined) {
  console.error(`"${unknown}" is not one of ${Object.keys(parts).join(', ')}`);
  process.exit(2);
}
for (const name of wanted.length > 0 ? wanted : Object.keys(parts)) {
  console.log(`\n== ${name}`);
  const started = performance.now();
  const passed = await (parts[name] as () => Promise<boolean>)();
  console.log(`== ${name} ${passed ? 'passed' : 'FAILED'} in ${Math.round((performance.now() - started) / 1000)} s`);
  if (!passed) process.exitCode = 1;
}
