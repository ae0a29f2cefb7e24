// `npm start`: runs Keyhold and the guarded example, and prints where everything is.
import { startExample } from './start/example.ts';
import { page, type Seal } from './start/page.ts';
import { startProcess } from './start/process.ts';

const withExample = !process.argv.includes('--no-example');
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
    verifierUrl: string;
    vaultUrl: string;
    bootstrapTokenFile: string;
    seal: Seal;
  };
  const example = withExample ? await startExample({ url, verifierUrl, bootstrapTokenFile }) : null;
  if (example !== null) {
    stack.use(example.process);
    void example.process.ended.then((code) => void stop(code));
  }
  if (withExample && example === null) {
    process.stdout.write('The example was never set up here, and its project takes an owner now: it is left out.\n');
  }
  process.stdout.write(page({ url, verifierUrl, vaultUrl, bootstrapTokenFile, seal, example }));
} catch (error) {
  // What went wrong is on standard error already when a process said it itself.
  if (!(error instanceof Error && error.name === 'ProcessEnded')) console.error(error);
  await stop(1);
}
