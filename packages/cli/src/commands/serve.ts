import type { PassThrough } from '../command.ts';
import { runServer } from '../run-server.ts';

/** `serve`, `verifier`, `restore`: the server's own entry; what stands behind them is read by it alone. */
export const SERVER_COMMANDS: readonly PassThrough[] = [
  {
    words: ['serve'],
    summary: 'Run the control plane and one verifier process',
    usage:
      '[--data FOLDER] [--host HOST] [--port PORT] [--verifier-port PORT] [--no-verifier] ' +
      '[--vault-port PORT] [--accept-rollback REASON] ' +
      '[--tls-cert FILE --tls-key FILE] [--behind-proxy]',
    pass: (args) => runServer('serve', args),
  },
  {
    words: ['verifier'],
    summary: 'Run one more verifier process; the token in the file has the scope feed',
    usage:
      '--control URL --token-file FILE [--control-cert FILE] [--host HOST] [--verifier-port PORT] ' +
      '[--tls-cert FILE --tls-key FILE] [--behind-proxy]',
    pass: (args) => runServer('verifier', args),
  },
  {
    words: ['restore'],
    summary: 'Restore a backup into an empty place: all of it, every row and the chain checked, or nothing',
    usage: '--input FILE --identity-file FILE [--data FOLDER]',
    pass: (args) => runServer('restore', args),
  },
];
