import { type Exceptions, isExcepted, isProduct } from './places.ts';
import { lineAt } from './source.ts';
import type { Rule } from './tree.ts';

const EXCEPTIONS: Exceptions = {
  'packages/verifier/src/clock.ts': 'is the clock',
  'packages/server/src/clock.ts': 'is the clock',
  'packages/auditor/src/witness/clock.ts': 'is the clock of the witness, which imports no verifier',
  'packages/server/src/database/instance-lock.ts': 'waits for another process, before there is anything to simulate',
  'packages/server/src/feed/feed-socket.ts': 'pings sockets; leases, not pings, say who is alive',
  'packages/sdk/src/signing/sign-request.ts': "signs with the time of the client's machine, where nothing else is said",
  'packages/sdk/src/signing/local-key.ts': "proves with the time of the client's machine, where nothing else is said",
  'packages/cli/src/with-person.ts': 'waits before it asks again whether its person has confirmed',
  'packages/cli/src/audit/audit-tail.ts': 'waits before it asks for new entries again',
  'packages/verifier/src/feed-socket.ts': 'gives a closing socket a moment; nothing is decided by it',
  'packages/server/src/compat/list-socket.ts': "hands on the server's own time limits of a socket",
  'packages/server/src/http/server.ts': 'gives silent connections a moment when it stops; nothing is decided by it',
  'packages/server/src/verification/spawn-verifier.ts': 'pauses before it starts a process again',
  'examples/market-api/src/server.ts': 'is an application beside Keyhold; its market follows the time of day',
};

/** `new Date(ms)` only formats; without an argument it reads the clock. */
const READS =
  /\b(?:Date\s*\.\s*now|performance\s*\.\s*now|process\s*\.\s*hrtime|setTimeout|setInterval)\b|\bnew\s+Date\s*(?:\(\s*\)|(?![\s(]))|(?<!new\s+)\bDate\s*\(/g;

/** Time comes from the injected clock, so that simulations can own it. */
export const oneClock: Rule = {
  name: 'one-clock',
  *check({ sources }) {
    for (const { path, code, imports } of sources.filter(({ path }) => isProduct(path))) {
      if (isExcepted(EXCEPTIONS, path)) continue;
      for (const match of code.matchAll(READS)) {
        yield {
          path,
          line: lineAt(code, match.index),
          message: `uses ${match[0]}; time is read from the injected clock`,
        };
      }
      for (const { specifier, line } of imports) {
        if (/^node:(?:timers|perf_hooks)/.test(specifier)) yield { path, line, message: `imports ${specifier}` };
      }
    }
  },
};
