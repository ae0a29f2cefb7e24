import { isTest, target } from './places.ts';
import type { Rule } from './tree.ts';

const EXPOSE = 'packages/server/src/vault/expose.ts';

/** Revealing is a capability, and the capability is this import. */
const HOLDERS = new Set([
  'packages/server/src/keys/keys.routes.ts',
  'packages/server/src/keys/factors.routes.ts',
  'packages/server/src/access/tokens.routes.ts',
  'packages/server/src/vault/seal.routes.ts',
  'packages/server/src/secrets/reveal.routes.ts',
  'packages/server/src/compat/kv-data.ts',
  'packages/server/src/compat/wrapping.ts',
  'packages/server/src/compat/approle.ts',
  'packages/server/src/delivery/delivery.routes.ts',
  'packages/server/src/access/token-exchange.routes.ts',
  'packages/server/src/access/people/people.routes.ts',
  // Sessions and codes of people, in cookies and answers.
  'packages/server/src/access/passwords/passwords.routes.ts',
  'packages/server/src/access/sign-in/sign-in.routes.ts',
  'packages/server/src/access/sign-in/session.routes.ts',
  'packages/server/src/access/sign-in/person-gate.routes.ts',
  'packages/server/src/access/sign-on/browser.routes.ts',
  'packages/server/src/access/sign-on/sign-on.routes.ts',
  // Turn a secret into what only its place or its recipient can open.
  'packages/server/src/delivery/encrypt-to-recipient.ts',
  'packages/server/src/vault/seal-secret.ts',
  // Hands on the type `Secret`, which anybody may hold.
  'packages/server/src/vault/secret.ts',
]);

export const exposeHolders: Rule = {
  name: 'expose-holders',
  *check({ sources }) {
    for (const file of sources.filter(({ path }) => !HOLDERS.has(path) && !isTest(path))) {
      for (const imported of file.imports) {
        if (target(file, imported) !== EXPOSE) continue;
        yield { path: file.path, line: imported.line, message: 'imports vault/expose.ts; only routes that reveal may' };
      }
    }
    const holder = sources.find(({ path }) => path === 'packages/server/src/vault/secret.ts');
    if (holder?.words.has('expose')) {
      yield { path: holder.path, message: 'hands on expose(); it may hand on the type Secret only' };
    }
  },
};
