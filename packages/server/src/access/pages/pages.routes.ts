import { readFileSync } from 'node:fs';
import type { FastifyInstance, FastifyReply } from 'fastify';

/** Pages of people, and what they load: files beside this one, read once. */
const PAGES = ['sign-in', 'enrol', 'account'] as const;
const ASSETS = [
  ...(['page.css', 'passkeys.js', 'cards.js', 'approvals.js', 'sign-in.js', 'enrol.js', 'account.js'] as const),
  ...(['qr.js', 'password-part.js'] as const),
] as const;

/** They load what this server has under `/assets`, speak with it alone, and lie in no frame. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const read = (name: string) => readFileSync(new URL(`./${name}`, import.meta.url), 'utf8');

/** Sign-in, enrolment, and the account of whoever signed in. @param origin where they are opened */
export function mountPages(app: FastifyInstance, origin: () => string): void {
  for (const name of PAGES) {
    const html = read(`${name}.html`);
    app.get(`/${name}`, { schema: { hide: true } as object }, (request, reply) => {
      // Passkeys are of a name: by the address of this machine none would be found.
      const isByAddress = /^(?:127\.0\.0\.1|\[::1\])(?::|$)/.test(request.headers.host ?? '');
      if (isByAddress && new URL(origin()).hostname === 'localhost') return reply.redirect(`${origin()}/${name}`);
      return secure(reply).type('text/html; charset=utf-8').send(html);
    });
  }
  const texts = new Map<string, string>(ASSETS.map((name) => [name, read(name)]));
  texts.set('uqr.js', readFileSync(new URL(import.meta.resolve('uqr')), 'utf8'));
  for (const [name, text] of texts) {
    const type = name.endsWith('.css') ? 'text/css' : 'text/javascript';
    app.get(`/assets/${name}`, { schema: { hide: true } as object }, (_request, reply) =>
      secure(reply).type(`${type}; charset=utf-8`).send(text),
    );
  }
}

function secure(reply: FastifyReply): FastifyReply {
  return reply
    .header('content-security-policy', POLICY)
    .header('cache-control', 'no-store')
    .header('cross-origin-opener-policy', 'same-origin')
    .header('cross-origin-resource-policy', 'same-origin')
    .header('referrer-policy', 'no-referrer')
    .header('x-content-type-options', 'nosniff')
    .header('x-robots-tag', 'noindex');
}
