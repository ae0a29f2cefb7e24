import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { DIALECT_NAMES } from '@keyhold/protocol/dialects/settings';
import { embedVerifier, openSharedStore } from '@keyhold/sdk/embedded';
import { createExchangeApi } from './server.ts';

/** Serves the example: `main.ts --port N --control URL --environment P/E --token-file F`, with a feed token. */
const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '7074' },
    control: { type: 'string', default: 'http://127.0.0.1:7070' },
    environment: { type: 'string', default: 'exchange/live' },
    'token-file': { type: 'string' },
    /** Without it nobody can use Kraken's style, and the environment has to say `replay: verifier`. */
    redis: { type: 'string' },
  },
});
const tokenFile = values['token-file'];
if (tokenFile === undefined)
  throw new Error('--token-file FILE with a token of the scopes "feed" and "feed:hmac" is missing');

const verifier = embedVerifier(
  { controlUrl: values.control, token: readFileSync(tokenFile, 'utf8').trim() },
  { failed: (reason) => console.error(`exchange-api: cannot follow the control plane: ${reason}`) },
  values.redis === undefined ? null : openSharedStore({ url: values.redis }),
);
const dialects = DIALECT_NAMES.filter((dialect) => dialect !== 'hmac').map((dialect) => ({ dialect }));
const server = createExchangeApi({
  verify: (request) => verifier.verify(request),
  environment: values.environment,
  dialects,
});

server.listen(Number(values.port), '127.0.0.1', () => {
  console.log(
    `exchange-api: http://127.0.0.1:${(server.address() as { port: number }).port} (every balance is synthetic)`,
  );
});

const stop = () => {
  const stopped = verifier.stop();
  server.close(() => void stopped.then(() => process.exit(0)));
  server.closeAllConnections();
};
process.on('SIGINT', stop);
process.on('SIGTERM', stop);
