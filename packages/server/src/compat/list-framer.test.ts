import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ListFramer } from './list-framer.ts';

const RUNS = 400;
const REWRITTEN: Readonly<Record<string, string>> = { LIST: 'LINK', LINK: 'COPY' };

/** One request as it is sent, and as it comes out. */
interface Sent {
  readonly bytes: Buffer;
  readonly expected: Buffer;
}

const latin1 = (text: string) => Buffer.from(text, 'latin1');

/** What looks like the beginning of a request where none is. */
const piece = fc.oneof(
  fc.constantFrom('LIST /x HTTP/1.1\r\n\r\n', '\r\nLINK /x', '0\r\n\r\nLIST ', '\r\n\r\n', '5\r\nLIST \r\n', 'LIS', ''),
  fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
);
const content = fc.array(piece, { maxLength: 4 }).map((pieces) => pieces.join(''));
const method = fc.constantFrom('LIST', 'LINK', 'GET', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'M-SEARCH', 'LISTS', 'ALIST');
const offer = 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAA\r\n';
const extension = fc.constantFrom('', ';a', ';a=b', ';a="LIST /x ;\\""', ';a=b;c;d=""', ';LIST');
const extra = fc.constantFrom('', offer, 'X-Method: LIST\r\n', 'accept: */*\r\nX-A:LINK /b\r\n', 'X-Empty:\r\n');

const withLength = fc
  .tuple(method, extra, content, fc.constantFrom('Content-Length', 'content-length'))
  .map(([name, fields, body, field]) => ({
    name,
    rest: ` /a HTTP/1.1\r\n${fields}${field}: ${body.length}\r\n\r\n${body}`,
  }));
const chunked = fc
  .tuple(method, extra, fc.array(content, { maxLength: 3 }), fc.constantFrom('chunked', 'Chunked'), extension)
  .map(([name, fields, parts, coding, behind]) => {
    const chunks = parts
      .filter((part) => part !== '')
      .map((part) => `${part.length.toString(16)}${behind}\r\n${part}\r\n`);
    const body = `${chunks.join('')}0${behind}\r\n\r\n`;
    return { name, rest: ` /a HTTP/1.1\r\n${fields}Transfer-Encoding: ${coding}\r\n\r\n${body}` };
  });
const bare = fc
  .tuple(method, extra, fc.constantFrom('', '\r\n', '\r\n\r\n'))
  .map(([name, fields, before]) => ({ name, before, rest: ` /a HTTP/1.1\r\n${fields}\r\n` }));
const request = fc.oneof(withLength, chunked, bare).map((made): Sent => {
  const before = 'before' in made ? made.before : '';
  return {
    bytes: latin1(`${before}${made.name}${made.rest}`),
    expected: latin1(`${before}${REWRITTEN[made.name] ?? made.name}${made.rest}`),
  };
});
const stream = fc.array(request, { minLength: 1, maxLength: 8 });
/** Where a stream is cut, as shares of its length. */
const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 40 });

function cut(bytes: Buffer, shares: readonly number[]): Buffer[] {
  const at = [0, ...shares.map((share) => Math.floor(share * bytes.length)), bytes.length].sort((a, b) => a - b);
  return at.slice(1).map((end, i) => bytes.subarray(at[i], end));
}

function through(chunks: readonly Buffer[], framer = new ListFramer()): Buffer {
  return Buffer.concat(chunks.flatMap((chunk) => framer.push(chunk)));
}

const everyByte = (bytes: Buffer) => [...bytes].map((_, i) => bytes.subarray(i, i + 1));

describe('the framer of LIST', () => {
  it('rewrites the method of each request and no byte of any body, however the bytes are cut', () => {
    fc.assert(
      fc.property(stream, cuts, (requests, shares) => {
        const bytes = Buffer.concat(requests.map((one) => one.bytes));
        const expected = Buffer.concat(requests.map((one) => one.expected)).toString('latin1');
        const framer = new ListFramer();
        assert.equal(through(cut(bytes, shares), framer).toString('latin1'), expected);
        assert.equal(through(everyByte(bytes)).toString('latin1'), expected);
        assert.equal(framer.gaveUp, false);
      }),
      { numRuns: RUNS },
    );
  });

  it('is not led astray by one cut, wherever it is', () => {
    const body = 'LIST /body HTTP/1.1\r\n\r\nLIST ';
    const before = `\r\nLIST /a HTTP/1.1\r\nHost: a\r\n\r\nPOST /b HTTP/1.1\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    const after = `PUT /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nLIST \r\n0\r\n\r\nLIST /d HTTP/1.1\r\n\r\n`;
    const bytes = latin1(before + after);
    const expected = (before + after).replace('LIST /a', 'LINK /a').replace('LIST /d', 'LINK /d');
    for (let at = 0; at <= bytes.length; at++) {
      assert.equal(through([bytes.subarray(0, at), bytes.subarray(at)]).toString('latin1'), expected, `cut at ${at}`);
    }
  });

  it('hands on what follows an offer to upgrade by itself: Node drops what comes in one piece with its end', () => {
    const offered = `POST /a HTTP/1.1\r\n${offer}Content-Length: 5\r\n\r\nLIST `;
    const pieces = new ListFramer().push(latin1(`${offered}LIST /b HTTP/1.1\r\n\r\nGET /c HTTP/1.1\r\n\r\n`));
    const rest = 'LINK /b HTTP/1.1\r\n\r\nGET /c HTTP/1.1\r\n\r\n';
    assert.deepEqual(
      pieces.map((piece) => piece.toString('latin1')),
      [offered, rest],
    );
  });

  it('changes nothing but methods in bytes of any kind, and gives the same however they are cut', () => {
    const broken = fc
      .tuple(
        stream,
        fc.array(fc.tuple(fc.nat(), fc.constantFrom(...'\r\n :L0;,\t\0\xff'), fc.boolean()), { maxLength: 4 }),
      )
      .map(([requests, damages]) => {
        let text = Buffer.concat(requests.map((one) => one.bytes)).toString('latin1');
        for (const [where, what, instead] of damages) {
          const at = where % text.length;
          text = text.slice(0, at) + what + text.slice(instead ? at + 1 : at);
        }
        return latin1(text);
      });
    fc.assert(
      fc.property(
        fc.oneof(
          broken,
          fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
        ),
        cuts,
        (bytes, shares) => {
          const out = through([bytes]);
          assert.deepEqual(through(cut(bytes, shares)), out);
          // What could be the beginning of a method is held back.
          assert.ok(bytes.length - out.length < 5);
          const [was, is] = [bytes.toString('latin1'), out.toString('latin1')];
          for (let i = 0; i < is.length; i++) {
            if (was[i] === is[i]) continue;
            const word = was.slice(i, i + 1) === 'S' ? i - 2 : i;
            assert.equal(`${REWRITTEN[was.slice(word, word + 4)]} `, is.slice(word, word + 5), `byte ${i}`);
            i = word + 4;
          }
        },
      ),
      { numRuns: RUNS },
    );
  });
});

/** What two parsers could read in two ways (RFC 9112 §6.3, §11.2), and what is over the framer's bounds. */
const AMBIGUOUS: Readonly<Record<string, string>> = {
  'a length and a coding': 'POST /a HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n',
  'a coding and a length': 'POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n',
  'two lengths': 'POST /a HTTP/1.1\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\n',
  'two equal lengths': 'POST /a HTTP/1.1\r\nContent-Length: 4\r\ncontent-length: 4\r\n\r\n',
  'a list of lengths': 'POST /a HTTP/1.1\r\nContent-Length: 4, 4\r\n\r\n',
  'a signed length': 'POST /a HTTP/1.1\r\nContent-Length: +4\r\n\r\n',
  'a hexadecimal length': 'POST /a HTTP/1.1\r\nContent-Length: 0x4\r\n\r\n',
  'an empty length': 'POST /a HTTP/1.1\r\nContent-Length:\r\n\r\n',
  'a length past all bounds': 'POST /a HTTP/1.1\r\nContent-Length: 18446744073709551620\r\n\r\n',
  'two codings': 'POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n',
  'a coding besides chunked': 'POST /a HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n',
  'a coding that is not chunked': 'POST /a HTTP/1.1\r\nTransfer-Encoding: identity\r\n\r\n',
  'chunked in quotes': 'POST /a HTTP/1.1\r\nTransfer-Encoding: "chunked"\r\n\r\n',
  'chunked with a vertical tab': 'POST /a HTTP/1.1\r\nTransfer-Encoding: \x0bchunked\r\n\r\n',
  'a folded line': 'POST /a HTTP/1.1\r\nX-A: a\r\n Content-Length: 4\r\n\r\n',
  'a folded coding': 'POST /a HTTP/1.1\r\nTransfer-Encoding:\r\n chunked\r\n\r\n',
  'a bare LF in the head': 'POST /a HTTP/1.1\nContent-Length: 4\r\n\r\n',
  'a bare LF at the end of the head': 'POST /a HTTP/1.1\r\nContent-Length: 4\r\n\n',
  'a bare CR in a field': 'POST /a HTTP/1.1\r\nX-A: a\rContent-Length: 4\r\n\r\n',
  'a space before the colon': 'POST /a HTTP/1.1\r\nContent-Length : 4\r\n\r\n',
  'a field without a colon': 'POST /a HTTP/1.1\r\nContent-Length 4\r\n\r\n',
  'a field without a name': 'POST /a HTTP/1.1\r\n: 4\r\n\r\n',
  'an upgrade that a server takes': 'GET /a HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
  'one of several upgrades': 'GET /a HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c, WebSocket/13\r\n\r\n',
  'a CONNECT': 'CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n',
  'a chunk extension without a name': 'POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n4;\r\n',
  'a chunk extension behind a space': 'POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n4 ;a=b\r\n',
  'a chunk extension without a value': 'POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n4;a=\r\n',
  'a chunk extension with a line in quotes': 'POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n4;a="\r\n"\r\n',
  'a chunk extension with a byte past ASCII': 'POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n4;a="\xff"\r\n',
  'a chunk size with a space': 'POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n4 \r\n',
  'a chunk size in hexadecimal with 0x': 'POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0x4\r\n',
  'a chunk size past all bounds': 'POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n100000004\r\n',
  'a chunk size that ends with a bare LF': 'POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n4\n',
  'an empty chunk size': 'POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\r\n',
  'a chunk that is longer than its size': 'POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcdef\r\n',
  'a trailer': 'POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-A: b\r\n\r\n',
  'a head over the bound': `GET /a HTTP/1.1\r\nX-A: ${'a'.repeat(17_000)}\r\n\r\n`,
  'a line of one word': 'GET\n',
};

describe('the framer of LIST gives up, and rewrites nothing more on that connection, after', () => {
  for (const [name, head] of Object.entries(AMBIGUOUS)) {
    it(name, () => {
      const framer = new ListFramer();
      const next = latin1('LIST LIST /smuggled HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(3));
      assert.deepEqual(through([latin1(head)], framer), latin1(head));
      assert.deepEqual(through([next], framer), next);
      assert.equal(framer.gaveUp, true);
    });
  }
});

it('the framer of LIST rewrites the method of what lies below a path, and of nothing else, however the stream is cut', () => {
  const target = fc.constantFrom('/below/', '/below/a', '/below', '/belo', '/', '/a/below/', '*', '/BELOW/', '/belowx');
  const one = fc.tuple(method, target, content);
  const run = (requests: readonly (readonly [string, string, string])[], shares: readonly number[]) => {
    const written = (named: (name: string, path: string) => string) =>
      requests.map(
        ([name, path, body]) =>
          `${named(name, path)} ${path} HTTP/1.1\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      );
    const sent = latin1(written((name) => name).join(''));
    const expected = written((name, path) => (path.startsWith('/below/') ? (REWRITTEN[name] ?? name) : name));
    assert.equal(through(cut(sent, shares), new ListFramer('/below/')).toString('latin1'), expected.join(''));
  };
  fc.assert(fc.property(fc.array(one, { minLength: 1, maxLength: 6 }), cuts, run), { numRuns: RUNS });
});
