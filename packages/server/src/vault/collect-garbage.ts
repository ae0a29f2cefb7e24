import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** V8's own collector; only a context that is made while the flag is set is given it. */
type Collect = (options: { readonly type: 'major'; readonly execution: 'async' }) => Promise<void>;

let collect: Collect | undefined;

/**
 * Collects what nobody holds any more, now: Node clears the bytes of a key with its object, and an idle process may
 * keep that for days. In a task of its own, so that what only the caller's stack still names is collected too.
 */
export function collectGarbage(): Promise<void> {
  collect ??= exposed();
  return collect({ type: 'major', execution: 'async' });
}

function exposed(): Collect {
  setFlagsFromString('--expose-gc');
  try {
    return runInNewContext('gc');
  } finally {
    setFlagsFromString('--no-expose-gc');
  }
}
