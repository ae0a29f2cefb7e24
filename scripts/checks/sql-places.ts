import { type Exceptions, isExcepted, isProduct, isServer, roomOf } from './places.ts';
import { lineAt } from './source.ts';
import type { Rule } from './tree.ts';

const ROOMS = new Set(['database', 'ledger']);
const EXCEPTIONS: Exceptions = {
  'packages/server/src/app.ts': 'asks once, at the start, whether the store answers',
  'packages/auditor/src/witness/lock-folder.ts': 'locks a file with it, and keeps nothing in it',
};

const WRITES = /\.\s*(?:insertInto|replaceInto|mergeInto|updateTable|deleteFrom)\b/g;

/**
 * SQL is built in stores, and in the rooms that are about SQL. Elsewhere Kysely is a type that is handed on; who was
 * handed one may read through it, and writes nothing.
 */
export const sqlPlaces: Rule = {
  name: 'sql-places',
  *check({ sources }) {
    for (const file of sources.filter(({ path }) => isProduct(path))) {
      const allowed = isServer(file.path) && (file.path.endsWith('.store.ts') || ROOMS.has(roomOf(file.path)));
      if (allowed || isExcepted(EXCEPTIONS, file.path)) continue;
      for (const { specifier, typeOnly, line } of file.imports) {
        if (!/^(?:kysely|pg|node:sqlite)(?:\/|$)/.test(specifier) || (typeOnly && specifier === 'kysely')) continue;
        yield { path: file.path, line, message: `imports ${specifier}; SQL belongs in a *.store.ts` };
      }
      for (const { 0: write, index } of file.code.matchAll(WRITES)) {
        const line = lineAt(file.code, index);
        yield { path: file.path, line, message: `writes (${write}); SQL belongs in a *.store.ts` };
      }
    }
  },
};
