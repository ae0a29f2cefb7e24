import { type Exceptions, isExcepted, isProduct, isServer, roomOf } from './places.ts';
import { lineAt } from './source.ts';
import type { Rule } from './tree.ts';

const ROOMS = new Set(['vault', 'delivery']);
const EXCEPTIONS: Exceptions = {
  'packages/sdk/src/signing/local-key.ts': 'makes key pairs; encrypts nothing',
  'packages/sdk/src/body-encryption.ts': 'encrypts bodies end to end, by jose',
  'packages/sdk/src/signing/signing-key.ts': 'signs, verifies and digests; encrypts nothing',
  'packages/verifier/src/distribution-keys.ts': 'unwraps the keys that the control plane wrapped to this verifier',
  'packages/verifier/src/open-envelope.ts': 'a verifier opens the secrets that it checks signatures with',
};
const CIPHERS =
  /\b(?:create(?:C|Dec)ipheriv|(?:public|private)(?:En|De)crypt|(?:en|de)capsulate|subtle|createDiffieHellman|createECDH)\b/g;

/** What encrypts is in two rooms, so that it can be read in an afternoon. */
export const ciphers: Rule = {
  name: 'ciphers',
  *check({ sources }) {
    for (const { path, code } of sources.filter(({ path }) => isProduct(path))) {
      if ((isServer(path) && ROOMS.has(roomOf(path))) || isExcepted(EXCEPTIONS, path)) continue;
      const seen = new Set<string>();
      for (const match of code.matchAll(CIPHERS)) {
        if (seen.has(match[0])) continue;
        seen.add(match[0]);
        yield {
          path,
          line: lineAt(code, match.index),
          message: `uses ${match[0]}; ciphers belong in vault/ or delivery/`,
        };
      }
    }
  },
};
