import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { describe, it } from 'node:test';
import express from 'express';
import fc from 'fast-check';
import { DIALECTS, type DialectName, RawExchange, seenBy } from '../testing/raw-exchange.ts';
import { listening, sendRaw, written } from '../testing/raw-http.ts';
import { SigningVerifier } from '../testing/signing-verifier.ts';
import { createExpressGuard } from './express.ts';

/** The same bytes with one line of the head instead of another. */
function withLine(text: string, from: RegExp, to: string): string {
  const changed = text.replace(from, to);
  assert.notEqual(changed, text, `${from} is in the request`);
  return changed;
}

const TARGET = '/v1/orders?symbol=BTC-USD&side=buy';
const BODY = 'quantity=1&price=2';

describe('requests over a socket', () => {
  for (const { dialect } of DIALECTS) {
    it(`${dialect}: is served as signed, by HTTP/1.1 and 1.0, with fields in any case, chunked, and in pieces`, async () => {
      await using exchange = await RawExchange.open();
      const signed = async () => await exchange.sign(dialect, TARGET, BODY);
      const plain = written(await signed());
      const shouted = written(await signed()).replace(/^[\w-]+(?=:)/gm, (name) => name.toUpperCase());
      const old = withLine(written(await signed()), /HTTP\/1\.1/, 'HTTP/1.0');
      const head = withLine(written(await signed()), /Content-Length: \d+/, 'Transfer-Encoding: chunked');
      const chunked = withLine(
        head,
        /\r\n\r\n[\s\S]*$/,
        '\r\n\r\n8;x=y\r\nquantity\r\nA\r\n=1&price=2\r\n0\r\nX: y\r\n\r\n',
      );
      for (const text of [plain, shouted, old, chunked]) {
        const pieces = text.match(/[\s\S]{1,50}/g) as string[];
        const target = /^POST (\S+)/.exec(text)?.[1];
        const seen = seenBy(await exchange.send(...pieces));
        assert.deepEqual(seen, { method: 'POST', target, host: 'api.example', bytes: 18, body: BODY }, text);
      }
    });

    it(`${dialect}: what the signer did not write is refused: query, escapes, bodies, fields twice or folded`, async () => {
      await using exchange = await RawExchange.open();
      const refused = async (change: (text: string) => string, target = TARGET, body = BODY) => {
        const text = written(await exchange.sign(dialect, target, body));
        const changed = change(text);
        assert.notEqual(changed, text, `the change ${change} changes something`);
        const { status } = await exchange.send(changed);
        // 0: closed without an answer, for what is no HTTP.
        assert.ok(status === 0 || (status >= 400 && status < 500), `${status} for ${changed}`);
        // It was the change that did it.
        assert.notEqual(seenBy(await exchange.send(text)), null, `${text} is good`);
      };
      await refused((text) => withLine(text, /symbol=BTC-USD&side=buy/, 'side=buy&symbol=BTC-USD'));
      await refused((text) => withLine(text, /side=buy/, 'side=buy&side=sell'));
      await refused((text) => withLine(text, /side=buy/, 'side=%62uy'));
      await refused((text) => text.replaceAll('%2f', '%2F'), '/v1/orders?path=a%2fb');
      await refused((text) => text.replaceAll('%2f', '/'), '/v1/orders?path=a%2fb');
      await refused((text) => text.replaceAll('%2f', '%252f'), '/v1/orders?path=a%2fb');
      await refused((text) => text.replaceAll('%252f', '%2f'), '/v1/orders?path=a%252fb');
      await refused((text) => withLine(text, /quantity=1/, 'quantity=9'));
      await refused((text) => withLine(text, /Content-Length: 18/, 'Content-Length: 10'));
      await refused((text) => withLine(text, /(Content-Length: 18)/, '$1\r\nTransfer-Encoding: chunked'));
      const own = dialect === 'binance' ? /^(X-MBX-APIKEY: .*)$/im : /^(Signature: .*)$/im;
      await refused((text) => withLine(text, own, '$1\r\n$1'));
      const input = dialect === 'binance' ? /^(X-MBX-APIKEY:)/im : /^(Signature-Input:)/im;
      await refused((text) => withLine(text, input, '$1\r\n '));
    });
  }

  it('rfc9421: path and host are those that were signed, in origin form or absolute form', async () => {
    await using exchange = await RawExchange.open();
    const ask = async (target: string, line: string, host = 'api.example') => {
      const text = written(await exchange.sign('rfc9421', target, '', 'GET'));
      const changed = text.replace(/^GET \S+/, `GET ${line}`).replace(/^Host: .*$/im, `Host: ${host}`);
      return (await exchange.send(changed)).status;
    };
    assert.equal(await ask('/v1/a%2fb', '/v1/a%2fb'), 200);
    for (const other of [
      '/v1/a/b',
      '/v1/a%2Fb',
      '/v1/a%252fb',
      '/v1//a%2fb',
      '/v1/./a%2fb',
      '/v1/a%2fb?',
      '//v1/a%2fb',
    ]) {
      assert.equal(await ask('/v1/a%2fb', other), 401, other);
    }
    assert.equal(await ask('/v1/orders', 'https://api.example/v1/orders'), 200);
    assert.equal(await ask('/v1/orders', 'https://api.example/v1/others'), 401);
    assert.equal(await ask('/v1/orders', 'https://evil.example/v1/orders'), 401);
    assert.equal(await ask('/v1/orders', 'https://evil.example/v1/orders', 'evil.example'), 401);
    assert.equal(await ask('/v1/orders', '/v1/orders', 'evil.example'), 401);
    const noHost = written(await exchange.sign('rfc9421', '/v1/orders', '', 'GET'));
    assert.equal(
      (await exchange.send(noHost.replace(/^Host: .*\r\n/im, '').replace('HTTP/1.1', 'HTTP/1.0'))).status,
      401,
    );
  });

  it('an absolute target has the path that the router reads, or is refused', async () => {
    const ask = async (host: string) => {
      const keys = new SigningVerifier([{ dialect: 'coinbase-cdp', host: 'api.example' }]);
      const [app, guard] = [express(), createExpressGuard(keys.guarded)({ permission: 'orders:write' })];
      app.post('/v1/orders', guard, (_, response) => void response.send('signed'));
      app.use(guard, (request, response) => void response.send(`not signed: ${request.url}`));
      await using server = await listening(createServer(app));
      const signed = await keys.sign('coinbase-cdp', {
        method: 'POST',
        url: 'https://api.example/v1/orders',
        body: '',
      });
      const text = withLine(written(signed), /^POST \S+/, `POST http://${host}/v1/orders`);
      const { status, body } = await sendRaw(server.port, text.replace(/^Host: .*$/im, `Host: ${host}`));
      return status === 200 ? body : status;
    };
    for (const host of ['api.example', 'API.example:8443', '127.0.0.1', '[::1]:80'])
      assert.equal(await ask(host), 'signed', host);
    for (const host of ['a:b', 'u:p%40x', 'x;tenant', "x'b", 'x%2f..%2fv2', 'x:', 'x:1:2', '[x]', 'x:99999999'])
      assert.equal(await ask(host), 401, host);
  });

  it('whatever bytes are changed, what is served is what was signed', async (t) => {
    await using exchange = await RawExchange.open();
    const counts = { served: 0, refused: 0 };
    const odd = [
      '\r\n',
      ' ',
      '\t',
      '%2f',
      '%',
      '&',
      '=',
      '?',
      '#',
      '/',
      ',',
      '"',
      ';',
      '\0',
      '\x80',
      'a',
      'Z',
      '0',
      '..',
    ];
    const change = fc.record({
      dialect: fc.constantFrom<DialectName>('rfc9421', 'binance'),
      at: fc.double({ min: 0, max: 1, noNaN: true }),
      cut: fc.nat({ max: 3 }),
      insert: fc.oneof(fc.constant(''), fc.constantFrom(...odd)),
      twice: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(change, async ({ dialect, at, cut, insert, twice }) => {
        const request = await exchange.sign(dialect, TARGET, BODY);
        const text = written(request);
        const position = Math.floor(at * (text.length - 1));
        const line = twice ? text.slice(0, position).lastIndexOf('\n') + 1 : position;
        const doubled = twice ? `${text.slice(line).split('\r\n')[0]}\r\n` : '';
        const changed = text.slice(0, position) + insert + text.slice(position + cut);
        const sent = doubled === '' ? changed : text.slice(0, line) + doubled + text.slice(line);
        const answer = await exchange.send(sent);
        const seen = seenBy(answer);
        if (seen === null) return void counts.refused++;
        counts.served++;
        // Spaces around a value, the case of a name, a field that nobody signed: HTTP has more than one way to say it.
        assert.deepEqual(
          [signedQuery(seen.target), seen.body],
          [signedQuery(text.split(' ')[1] as string), BODY],
          sent,
        );
        if (dialect === 'binance') return;
        const { method, target, host } = seen;
        assert.deepEqual([method, target, host.toLowerCase()], ['POST', TARGET, 'api.example'], sent);
      }),
      { numRuns: Number(process.env['KEYHOLD_RAW_CHANGES'] ?? 600) },
    );
    assert.ok(counts.served > 10 && counts.refused > 200, JSON.stringify(counts));
    t.diagnostic(`${counts.served} changes left the request what it was, ${counts.refused} were refused`);
  });
});

/** All of a query but the signature in it, which can be written in more than one way. */
function signedQuery(target: string): string {
  return target.replace(/^[^?]*/, '').replace(/&signature=[^&]*/, '');
}
