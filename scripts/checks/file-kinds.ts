import { kindOf } from './kinds.ts';
import { isProduct, isServer, roomOf, SERVER, target } from './places.ts';
import type { SourceFile } from './source.ts';
import type { Rule, Violation } from './tree.ts';

/**
 * What a file may import follows from its name: a noun touches nothing, a use case knows no HTTP, a store no route and
 * no use case. Why use cases and routes may ask stores: docs/decisions/0032-who-imports-stores.md.
 */
export const fileKinds: Rule = {
  name: 'file-kinds',
  *check({ sources }) {
    for (const file of sources) {
      if (!isServer(file.path) || !isProduct(file.path)) continue;
      const kind = kindOf(file.path);
      if (kind === 'noun' || kind === 'use case' || kind === 'store' || kind === 'jobs') yield* checkHttp(file, kind);
      if (kind === 'noun') yield* checkPure(file);
      if (kind === 'store') yield* checkStore(file);
    }
  },
};

function* checkHttp(file: SourceFile, kind: string): Iterable<Violation> {
  for (const imported of file.imports) {
    const path = target(file, imported);
    const http = /^@?fastify(?:\/|$)/.test(path) || (isServer(path) && roomOf(path) === 'http');
    const routes = path.endsWith('.routes.ts');
    // Everybody may be handed the log; it is made in http/ because pino comes with Fastify.
    const log = path === `${SERVER}http/log.ts` && imported.typeOnly;
    if ((!http && !routes) || log) continue;
    yield {
      path: file.path,
      line: imported.line,
      message: `is a ${kind} and imports ${path}; HTTP ends in *.routes.ts`,
    };
  }
}

function* checkPure(file: SourceFile): Iterable<Violation> {
  for (const imported of file.imports) {
    const path = target(file, imported);
    const impure = /^(?:kysely|pg|ws|node:(?!crypto$|buffer$|net$))/.test(path) || path.endsWith('.store.ts');
    if (!impure || imported.typeOnly) continue;
    yield {
      path: file.path,
      line: imported.line,
      message: `is a noun and imports ${path}; a noun is types and pure rules`,
    };
  }
}

function* checkStore(file: SourceFile): Iterable<Violation> {
  for (const imported of file.imports) {
    const path = target(file, imported);
    if (kindOf(path) !== 'use case' || imported.typeOnly) continue;
    yield {
      path: file.path,
      line: imported.line,
      message: `is a store and imports ${path}, a use case, which asks it`,
    };
  }
}
