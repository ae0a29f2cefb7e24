import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { createVerifierClient } from '@keyhold/sdk/client';
import { createGuard } from '@keyhold/sdk/guard';
import { verifyRemotely } from '@keyhold/sdk/verify-remotely';
import { createMarketApi } from './server.ts';

/** Serves the example: `main.ts --port N --verifier URL --environment P/E --token-file F`. */
const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '7072' },
    verifier: { type: 'string', default: 'http://127.0.0.1:7071' },
    environment: { type: 'string', default: 'market/demo' },
    'token-file': { type: 'string' },
  },
});
const tokenFile = values['token-file'];
if (tokenFile === undefined) throw new Error('--token-file FILE with a token of the scope "verify" is missing');

const verifier = createVerifierClient({
  url: values.verifier,
  token: readFileSync(tokenFile, 'utf8').trim(),
  timeoutMs: 5_000,
});
const guard = createGuard({ environment: values.environment, verify: verifyRemotely(verifier) });
const server = createMarketApi(guard);

server.on('error', (error: NodeJS.ErrnoException) => {
  const taken = error.code === 'EADDRINUSE';
  console.error(taken ? `market-api: port ${values.port} is taken: set KEYHOLD_EXAMPLE_PORT` : error);
  process.exit(1);
});
server.listen(Number(values.port), '127.0.0.1', () => {
  process.send?.({ url: `http://127.0.0.1:${(server.address() as { port: number }).port}` });
});

const stop = () => {
  server.close(() => process.exit(0));
  server.closeAllConnections();
};
process.on('SIGINT', stop);
process.on('SIGTERM', stop);
process.on('disconnect', stop);
