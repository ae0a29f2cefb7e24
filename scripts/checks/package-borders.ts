import { isProduct, target } from './places.ts';
import type { Import, SourceFile } from './source.ts';
import type { Rule } from './tree.ts';

/** What each package may import, beside itself. Packages that are not named here may import what they declare. */
const BORDERS: Readonly<Record<string, { readonly may: (name: string) => boolean; readonly rule: string }>> = {
  protocol: { may: (name) => /^typebox(?:\/|$)/.test(name), rule: 'imports nothing but typebox' },
  verifier: {
    may: (name) => /^(?:@keyhold\/protocol\/.+|ioredis|@simplewebauthn\/server|ipaddr\.js|ws|node:.+)$/.test(name),
    rule: 'imports only the protocol, ioredis, @simplewebauthn/server, ipaddr.js, ws and node:',
  },
  sdk: {
    may: (name) => /^(?:@keyhold\/(?:protocol|verifier)\/.+|jose|node:.+)$/.test(name),
    rule: 'imports only the protocol, the verifier, jose and node:',
  },
  auditor: {
    may: (name) => /^(?:@keyhold\/protocol\/.+|@noble\/.+|node:.+)$/.test(name),
    rule: 'imports only the protocol, @noble and node:; it trusts no other part',
  },
  server: { may: (name) => !/^@keyhold\/(?:sdk|cli|console)\b/.test(name), rule: 'imports no package above it' },
  cli: { may: isNoServer, rule: 'never imports the server; it spawns @keyhold/server/main' },
  console: { may: isNoServer, rule: 'never imports the server' },
};

export const packageBorders: Rule = {
  name: 'package-borders',
  *check({ sources }) {
    for (const file of sources.filter(({ path }) => isProduct(path))) {
      const home = /^packages\/([^/]+)\/src\//.exec(file.path);
      const border = BORDERS[home?.[1] ?? ''];
      if (home === null || border === undefined) continue;
      for (const imported of file.imports) {
        if (target(file, imported).startsWith(home[0]) || isResolvedOnly(file, imported)) continue;
        const leaves = imported.specifier.startsWith('.');
        if (!leaves && border.may(imported.specifier)) continue;
        const message = `imports ${imported.specifier}, but ${home[1]} ${border.rule}`;
        yield { path: file.path, line: imported.line, message };
      }
    }
  },
};

function isNoServer(name: string): boolean {
  return !/^@keyhold\/server(?:\/|$)/.test(name);
}

/** `import.meta.resolve('@keyhold/server/main')` names a file to spawn and loads nothing. */
function isResolvedOnly(file: SourceFile, { specifier, line }: Import): boolean {
  const text = file.code.split('\n')[line - 1] ?? '';
  return specifier === '@keyhold/server/main' && /import\s*\.\s*meta\s*\.\s*resolve/.test(text);
}
