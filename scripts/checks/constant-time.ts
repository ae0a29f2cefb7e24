import { type Exceptions, isExcepted, isProduct } from './places.ts';
import { lineAt } from './source.ts';
import type { Rule } from './tree.ts';

const EXCEPTIONS: Exceptions = {
  'packages/protocol/src/dialects/binance-payload.ts':
    'finds where in a request its signature stands; who checks it is told',
  'packages/server/src/access/principal.ts': 'the secret of a place is a path, which is no secret',
};

/** `one === other`, up to the names that the two end with; what is called or indexed counts as no name. */
const COMPARED = /(typeof )?([\w$]+(?:\??\.[\w$]+)*) *[!=]==? *([\w$]+(?:\??\.[\w$]+)*(?![\w$]*[(['"`.]))/g;
/** Names of what somebody could guess byte by byte. Digests of 256 random bits are none: who guesses knows no preimage. */
const SECRET = /(?:^|[a-z_.])(?:h?mac|authTag|signature|secret|password|passphrase|pin|t?otp|commitment)$/i;
const PLAIN = /^(?:undefined|null|true|false|\d.*|[A-Z_]{3,}\..*)$/;

/**
 * What is secret is compared in constant time (`timingSafeEqual`), never by `===`. It goes by names alone: what a call
 * returns has none, and is for whoever reads the change.
 */
export const constantTime: Rule = {
  name: 'constant-time',
  *check({ sources }) {
    for (const { path, code } of sources) {
      if (!isProduct(path) || isExcepted(EXCEPTIONS, path)) continue;
      for (const match of code.matchAll(COMPARED)) {
        const [, type, left = '', right = ''] = match;
        if (type !== undefined || PLAIN.test(left) || PLAIN.test(right)) continue;
        const named = [left, right].find((name) => SECRET.test(name));
        if (named !== undefined)
          yield {
            path,
            line: lineAt(code, match.index),
            message: `compares ${named} byte by byte; use timingSafeEqual`,
          };
      }
    }
  },
};
