import { writeVerifierKey } from '@keyhold/protocol/log/signed-note';
import { nowSeconds } from './clock.ts';
import { serveWitness } from './serve-witness.ts';
import { readSettings, SettingsError } from './settings.ts';
import { StateFolder } from './state-folder.ts';
import { StateUnusable } from './state-unusable.ts';
import { Witness } from './witness.ts';

/** What the process tells its parent once it serves. */
export interface StartedWitness {
  readonly url: string;
  readonly name: string;
  /** Verifier keys of its cosignatures. */
  readonly keys: readonly string[];
}

/** Exit codes: 0 stopped as asked, 1 fault, 2 can't start as configured. */
const EXIT_FAULT = 1;
const EXIT_CONFIGURATION = 2;

const loudly = (line: string) => void process.stderr.write(`keyhold witness: ${line}\n`);

try {
  process.umask(0o077);
  process.title = 'keyhold witness';
  const stack = new AsyncDisposableStack();
  stopWhenAsked(stack);
  const started = await start(process.argv.slice(2), stack);
  process.stdout.write(`${started.name} witnesses at ${started.url}; its keys:\n`);
  for (const key of started.keys) process.stdout.write(`${key}\n`);
  process.send?.(started);
} catch (error) {
  const isOurs = error instanceof SettingsError || error instanceof StateUnusable;
  const isTaken = (error as NodeJS.ErrnoException).code === 'EADDRINUSE';
  loudly(isOurs ? error.message : isTaken ? 'the port is taken: choose another with --port' : String(error));
  process.exit(isOurs || isTaken ? EXIT_CONFIGURATION : EXIT_FAULT);
}

async function start(args: readonly string[], stack: AsyncDisposableStack): Promise<StartedWitness> {
  const settings = readSettings(args);
  const state = stack.use(StateFolder.open(settings.stateFolder, settings.name));
  const witness = new Witness(state, settings.logs, nowSeconds, loudly);
  for (const { kind, origin, sizes } of witness.alarms()) {
    loudly(`ALARM of before: ${kind}: ${origin}, cosigned at ${sizes.cosigned}, refused at ${sizes.refused}`);
  }
  const { url } = stack.use(await serveWitness(witness, settings, (error) => loudly(`a request failed: ${error}`)));
  return { url, name: settings.name, keys: state.cosigners.map(({ note }) => writeVerifierKey(note)) };
}

/** Stops on SIGINT and SIGTERM, and when the parent that started us with a channel is gone. */
function stopWhenAsked(stack: AsyncDisposableStack): void {
  const stop = () => {
    stack.disposeAsync().then(
      () => process.exit(0),
      () => process.exit(EXIT_FAULT),
    );
  };
  for (const event of ['SIGINT', 'SIGTERM', 'disconnect'] as const) process.once(event, stop);
}
