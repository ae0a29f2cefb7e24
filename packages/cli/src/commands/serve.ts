import type { PassThrough } from '../command.ts';
import { runServer, runWitness } from '../run-server.ts';

/** The server's and the witness's own entries; what stands behind these words is read by them alone. */
export const SERVER_COMMANDS: readonly PassThrough[] = [
  {
    words: ['serve'],
    summary: 'Run the control plane and one verifier process',
    usage:
      '[--data FOLDER] [--host HOST] [--port PORT] [--verifier-port PORT] [--no-verifier] ' +
      '[--vault-port PORT] [--accept-rollback REASON] [--recover-owner] ' +
      '[--tls-cert FILE --tls-key FILE [--tls-client-ca FILE] [--tls-client-port PORT]] [--behind-proxy]',
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
    usage: '--input FILE --identity-file FILE [--data FOLDER], or with --drill as "keyhold backup drill"',
    pass: (args) => runServer('restore', args),
  },
  {
    words: ['witness'],
    summary: 'Run a witness: it cosigns checkpoints of logs that only ever grow',
    usage:
      '--state FOLDER --name NAME --log VKEY [--log VKEY …] [--policy FILE] [--host HOST] [--port PORT] ' +
      '[--tls-cert FILE --tls-key FILE] [--behind-proxy]',
    pass: (args) => runWitness(args),
  },
];
