import { readFileSync } from 'node:fs';
import type { FastifyInstance, FastifyReply } from 'fastify';
import type { Random } from '../../random.ts';

/** Pages of people, and what they load: files beside this one, read once. */
const PAGES = ['sign-in', 'enrol', 'account'] as const;
const ASSETS = [
  ...(['page.css', 'passkeys.js', 'cards.js', 'approvals.js', 'sign-in.js', 'enrol.js', 'account.js'] as const),
  ...(['qr.js', 'password-part.js', 'break-glass.js'] as const),
] as const;

/**
 * They load what their own tags name, speak with this server alone, and lie in no frame. Modules that a script imports are
 * loaded by its nonce; whatever else got into a page is not.
 * @param nonce of this answer alone; null: nothing is loaded
 */
function policyWith(nonce: string | null): string {
  const source = nonce === null ? "'none'" : `'nonce-${nonce}'`;
  return [
    "default-src 'none'",
    `script-src ${source}`,
    `style-src ${source}`,
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}

/** Where it stands in the pages. */
const NONCE = 'NONCE';

const read = (name: string) => readFileSync(new URL(`./${name}`, import.meta.url), 'utf8');

/** Sign-in, enrolment, and the account of whoever signed in. @param origin where they are opened */
export function mountPages(app: FastifyInstance, random: Pick<Random, 'bytes'>, origin: () => string): void {
  // Whoever types the address that is printed at the start is a person; programs are told that nothing is here.
  app.get('/', { schema: { hide: true } as object }, (request, reply) => {
    if (/text\/html/.test(request.headers.accept ?? '')) return reply.redirect('/sign-in');
    return reply.callNotFound();
  });
  for (const name of PAGES) {
    const parts = read(`${name}.html`).split(NONCE);
    app.get(`/${name}`, { schema: { hide: true } as object }, (request, reply) => {
      // Passkeys are of a name: by the address of this machine none would be found.
      const isByAddress = /^(?:127\.0\.0\.1|\[::1\])(?::|$)/.test(request.headers.host ?? '');
      if (isByAddress && new URL(origin()).hostname === 'localhost') return reply.redirect(`${origin()}/${name}`);
      const nonce = Buffer.from(random.bytes(16)).toString('base64');
      return secure(reply, nonce).type('text/html; charset=utf-8').send(parts.join(nonce));
    });
  }
  const texts = new Map<string, string>(ASSETS.map((name) => [name, read(name)]));
  texts.set('uqr.js', readFileSync(new URL(import.meta.resolve('uqr')), 'utf8'));
  for (const [name, text] of texts) {
    const type = name.endsWith('.css') ? 'text/css' : 'text/javascript';
    app.get(`/assets/${name}`, { schema: { hide: true } as object }, (_request, reply) =>
      secure(reply, null).type(`${type}; charset=utf-8`).send(text),
    );
  }
}

function secure(reply: FastifyReply, nonce: string | null): FastifyReply {
  return reply
    .header('content-security-policy', policyWith(nonce))
    .header('cache-control', 'no-store')
    .header('cross-origin-opener-policy', 'same-origin')
    .header('cross-origin-resource-policy', 'same-origin')
    .header('referrer-policy', 'no-referrer')
    .header('x-content-type-options', 'nosniff')
    .header('x-robots-tag', 'noindex');
}
