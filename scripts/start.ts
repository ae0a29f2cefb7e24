// `npm start`: runs Keyhold and the guarded example, and prints where everything is.
import { examplePortOf, startExample } from './start/example.ts';
import { page, type Seal } from './start/page.ts';
import { ProcessEnded, startProcess } from './start/process.ts';

const EXIT_CONFIGURATION = 2;

const HELP = `npm start -- [--no-example] [FLAG …]

  --no-example   leave the guarded example out; without a verifier (--no-verifier) it is left out too
  FLAG …         as of "npm run --silent keyhold -- help serve"; settings of the environment: docs/settings.md
`;

if (process.argv.some((arg) => arg === '--help' || arg === '-h')) {
  process.stdout.write(HELP);
  process.exit(0);
}
const withExample = !process.argv.includes('--no-example');
const examplePort = examplePortOf(process.env);
if (withExample && (!/^\d{1,5}$/.test(examplePort) || Number(examplePort) > 65_535)) {
  console.error(`keyhold: KEYHOLD_EXAMPLE_PORT is "${examplePort}"; it takes a port, 0–65535`);
  process.exit(EXIT_CONFIGURATION);
}

const flags = process.argv.slice(2).filter((arg) => arg !== '--no-example');

const stack = new AsyncDisposableStack();
let stopping = false;
const stop = async (code: number) => {
  if (stopping) return;
  stopping = true;
  await stack.disposeAsync();
  process.exit(code);
};
process.on('SIGINT', () => void stop(0));
process.on('SIGTERM', () => void stop(0));

try {
  const server = stack.use(
    await startProcess('packages/server/src/main.ts', ['serve', ...flags], {
      KEYHOLD_LOG_LEVEL: 'warn',
      ...process.env,
    }),
  );
  void server.ended.then((code) => void stop(code));
  const { url, verifierUrl, vaultUrl, bootstrapTokenFile, seal } = server.started as {
    url: string;
    verifierUrl: string | undefined;
    vaultUrl: string;
    bootstrapTokenFile: string;
    seal: Seal;
  };
  const asks = withExample && verifierUrl !== undefined;
  const example = asks ? await startExample({ url, verifierUrl, bootstrapTokenFile }, examplePort) : null;
  if (example !== null && stopping) await example.process[Symbol.asyncDispose]();
  else if (example !== null) {
    stack.use(example.process);
    void example.process.ended.then((code) => void stop(code));
  }
  if (withExample && example === null) {
    const why = asks
      ? 'The example was never set up here, and its project takes an owner now'
      : 'The example asks a verifier, and none runs here';
    process.stdout.write(`${why}: it is left out.\n`);
  }
  if (!stopping) process.stdout.write(page({ url, verifierUrl, vaultUrl, bootstrapTokenFile, seal, example }));
} catch (error) {
  const ended = error instanceof ProcessEnded;
  // Ctrl-C reaches every process at once: that a call failed because of it may be heard before the signal.
  await new Promise(setImmediate);
  // What ends because it was told to is no fault; and a process that could not start has said why itself.
  if (!stopping && !ended) console.error(error);
  await stop(ended ? error.code : 1);
}
