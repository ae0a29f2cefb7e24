// Types, lint, format, and the rules of the house. Everything runs, so that one run shows all there is to mend.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { biomeBinary } from './checks/biome.ts';
import { RULES } from './checks/rules.ts';
import { readTree, type Violation } from './checks/tree.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const COLORS = `--colors=${process.stdout.isTTY ? 'force' : 'off'}`;

const results: [name: string, passed: boolean][] = [
  ['types', run('types', () => [`${root}node_modules/.bin/tsc`, '-p', '.'])],
  [
    'lint and format',
    run('lint and format', () => [
      biomeBinary(root),
      'ci',
      '--error-on-warnings',
      COLORS,
      '--max-diagnostics=200',
      '.',
    ]),
  ],
  ['rules of the house', checkHouse()],
];

console.log();
for (const [name, passed] of results) console.log(`${passed ? 'ok    ' : 'FAILED'}  ${name}`);
process.exitCode = results.every(([, passed]) => passed) ? 0 : 1;

function run(name: string, command: () => [string, ...string[]]): boolean {
  console.log(`\n== ${name}`);
  try {
    const [program, ...args] = command();
    const { status, error } = spawnSync(program, args, { cwd: root, stdio: 'inherit' });
    if (error !== undefined) throw error;
    return status === 0;
  } catch (error) {
    console.error((error as Error).message);
    return false;
  }
}

function checkHouse(): boolean {
  console.log('\n== rules of the house');
  const tree = readTree(root);
  let count = 0;
  for (const { name, check } of RULES) {
    const violations = [...check(tree)];
    count += violations.length;
    for (const violation of violations) console.error(`${name}: ${place(violation)} ${violation.message}`);
  }
  console.log(`${tree.sources.length} files, ${RULES.length} rules, ${count} violations`);
  return count === 0;
}

function place({ path, line }: Violation): string {
  return line === undefined ? path : `${path}:${line}`;
}
