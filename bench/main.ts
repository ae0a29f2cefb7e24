// Measures the figures that Keyhold promises, each against its yardstick in the same run: `npm run bench`,
// `npm run bench -- NAME…`, `npm run bench -- --json`. A figure missed fails nothing; a figure not measured does.
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { FIGURES, type Planned } from './figures.ts';
import { QUICK } from './measure/alternate.ts';
import type { Measured } from './measure/figure.ts';

/** Of the system (util-linux); Node then finds one core too. */
const ONE_CORE = ['taskset', '-c', '0'];

const { values, positionals } = parseArgs({ options: { json: { type: 'boolean' } }, allowPositionals: true });
const unknown = positionals.filter((name) => !FIGURES.some((planned) => planned.name === name));
if (unknown.length > 0) {
  console.error(`no such figure: ${unknown.join(', ')}; there are ${FIGURES.map(({ name }) => name).join(', ')}`);
  process.exit(2);
}
if (QUICK) console.error('quick mode: small data and few alternations; these numbers are no figures');

if (values.json !== true) console.log(row('figure', 'value', 'yardstick', 'ratio', 'target'));
for (const planned of FIGURES.filter(({ name }) => positionals.length === 0 || positionals.includes(name))) {
  try {
    print(planned, await measure(planned));
  } catch (error) {
    console.error(`${planned.name}: not measured: ${(error as Error).message}`);
    process.exitCode = 1;
  }
}

/** In a process of its own: what one figure leaves in the heap is nothing to the next. */
function measure({ name, script, nodeOptions, onOneCore }: Planned): Promise<Measured> {
  return new Promise((resolve, reject) => {
    const node = onOneCore === true ? [...ONE_CORE, process.execPath] : [process.execPath];
    const [execPath, ...execArgv] = [...node, ...nodeOptions];
    const child = fork(fileURLToPath(new URL(script, import.meta.url)), [], { execPath, execArgv });
    child.on('error', reject);
    let measured: Measured | undefined;
    child.on('message', (message) => {
      measured = message as Measured;
    });
    child.on('exit', (code, signal) => {
      if (code === 0 && measured !== undefined) resolve(measured);
      else reject(new Error(`${name} ended with ${code ?? signal}`));
    });
  });
}

function print({ target, reached }: Planned, { notes, ...figure }: Measured): void {
  if (values.json === true) return console.log(JSON.stringify(figure));
  const verdict = `${target} ${reached(figure) ? '✓' : '✗ missed'}`;
  console.log(row(figure.name, text(figure.value), text(figure.yardstick), text(figure.ratio), verdict));
  for (const note of [figure.unit, ...notes]) console.log(`    ${note}`);
}

function text(value: number | null): string {
  return value === null ? '–' : value.toLocaleString('en', { maximumSignificantDigits: 4 });
}

function row(name: string, value: string, yardstick: string, ratio: string, target: string): string {
  return `${name.padEnd(18)}${value.padStart(12)}${yardstick.padStart(12)}${ratio.padStart(9)}   ${target}`;
}
