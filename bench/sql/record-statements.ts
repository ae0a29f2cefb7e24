// Preloaded into a control plane: keeps what it executes, while asked to, so that the same statements can be
// executed again with nothing around them.
import { type SQLInputValue, StatementSync } from 'node:sqlite';
import type { Executed } from './trace.ts';

let trace: Executed[] | null = null;

type Execute = (this: StatementSync, ...parameters: SQLInputValue[]) => unknown;

const prototype = StatementSync.prototype as unknown as { all: Execute; run: Execute };
for (const name of ['all', 'run'] as const) {
  const execute = prototype[name];
  prototype[name] = function (...parameters) {
    trace?.push({ sql: this.sourceSQL, parameters });
    return execute.apply(this, parameters);
  };
}

process.on('message', (message: unknown) => {
  const asked = (message as { ask?: string } | null)?.ask;
  if (asked === 'record') {
    trace = [];
    process.send?.({ answer: null });
  } else if (asked === 'recorded') {
    process.send?.({ answer: trace });
    trace = null;
  }
});
