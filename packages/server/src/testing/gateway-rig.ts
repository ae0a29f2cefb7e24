import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, request as ask } from 'node:http';
import { type AddressInfo, connect, createServer as createTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SigningKey } from '@keyhold/sdk/signing/signing-key';
import { type Signer, signRequest } from '@keyhold/sdk/signing/sign-request';
import { createPlace } from './databases.ts';
import { eventually } from './eventually.ts';
import { startInstallation, type TestInstallation } from './installation.ts';
import { createMarket, type TestMarket } from './market.ts';

/** How a gateway is started with its example's configuration. */
export interface GatewayProgram {
  readonly program: string;
  /** Of the folder in `examples/`. */
  readonly configuration: string;
  /** Where the configuration listens. */
  readonly listens: number;
  /** How the file beside the configuration holds the token; null: it stands in the configuration itself. */
  readonly tokenLine: ((token: string) => string) | null;
  readonly args: (folder: string) => readonly string[];
}

export interface RawRequest {
  readonly method?: string;
  readonly target?: string;
  readonly headers: Readonly<Record<string, string | string[]>>;
  readonly body?: string;
}

/** What the API behind got. */
export interface Got {
  target: string;
  headers: IncomingHttpHeaders;
  body: string;
}

/** An installation, an API that answers whatever it is asked, and the real gateway before it. */
export class GatewayRig implements AsyncDisposable {
  readonly installation: TestInstallation;
  readonly market: TestMarket;
  readonly url: string;
  readonly got: Got;
  readonly #stack: AsyncDisposableStack;

  static async start(of: GatewayProgram): Promise<GatewayRig> {
    const stack = new AsyncDisposableStack();
    const installation = stack.use(await startInstallation(stack.use(await createPlace('sqlite'))));
    const market = await createMarket(installation);
    const signing = { dialects: [{ dialect: 'rfc9421' }, { dialect: 'okx' }], replay: 'verifier' };
    await installation.call('PUT', '/v1/projects/market/environments/test/signing', signing);
    const got: Got = { target: '', headers: {}, body: '' };
    const api = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const { url: target, headers } = request;
        Object.assign(got, { target, headers, body: Buffer.concat(chunks).toString() });
        response.end('from the API');
      });
    }).listen(0, '127.0.0.1');
    await once(api, 'listening');
    stack.defer(() => {
      api.closeAllConnections();
      api.close();
    });
    const token = await installation.call('POST', '/v1/tokens', { name: 'gateway', scopes: ['verify'] });
    const port = await freePort();
    const folder = mkdtempSync(join(tmpdir(), 'keyhold-gateway-'));
    stack.defer(() => rmSync(folder, { recursive: true, force: true }));
    const file = of.configuration.slice(of.configuration.lastIndexOf('/') + 1);
    const text = readFileSync(new URL(`../../../../examples/${of.configuration}`, import.meta.url), 'utf8')
      .replaceAll('7072', String((api.address() as AddressInfo).port))
      .replaceAll('7071', new URL(installation.verifierUrl).port)
      .replaceAll(String(of.listens), String(port))
      .replaceAll('market/demo', 'market/test')
      .replaceAll(/(?<=value: )KEYHOLD_TOKEN/g, token.body.secret);
    writeFileSync(join(folder, file), text, { mode: 0o600 });
    if (of.tokenLine !== null) {
      writeFileSync(join(folder, 'keyhold-token.conf'), `${of.tokenLine(token.body.secret)}\n`, { mode: 0o600 });
    }
    const gateway = spawn(of.program, of.args(folder), { stdio: 'ignore', env: { ...process.env, HOME: folder } });
    stack.defer(() => ended(gateway));
    const url = `http://127.0.0.1:${port}`;
    await eventually('the gateway answers', () =>
      fetch(url).then(
        () => true,
        () => false,
      ),
    );
    return new GatewayRig({ installation, market, url, got, stack });
  }

  private constructor(
    of: Pick<GatewayRig, 'installation' | 'market' | 'url' | 'got'> & { stack: AsyncDisposableStack },
  ) {
    this.installation = of.installation;
    this.market = of.market;
    this.url = of.url;
    this.got = of.got;
    this.#stack = of.stack;
  }

  get(key: string | null, path = '/v1/prices/BTC-USD', headers: Record<string, string> = {}): Promise<Response> {
    return fetch(this.url + path, {
      headers: { ...(key === null ? {} : { authorization: `Bearer ${key}` }), ...headers },
    });
  }

  /** As {@link get}, with a target that no client library would send as it is. */
  async getRaw(key: string, target: string): Promise<number> {
    return (await this.askRaw({ target, headers: { authorization: `Bearer ${key}` } })).status;
  }

  /** Sends fields that no client library would, each value of a list in a line of its own. */
  async askRaw({ method = 'GET', target = '/v1/prices/BTC-USD', headers, body = '' }: RawRequest) {
    this.got.headers = {};
    const asked = ask(this.url, { method, path: target, headers, agent: false }).end(body);
    const [answer] = (await once(asked, 'response')) as [IncomingMessage];
    await once(answer.resume(), 'end');
    return { status: answer.statusCode ?? 0, got: this.got };
  }

  /** A key that signs, in any dialect of the environment. */
  async signer() {
    const permissions = ['prices:read', 'orders:write'];
    const place = { project: 'market', environment: 'test', consumer: this.market.consumer, name: 'key', permissions };
    const { body } = await this.installation.call('POST', '/v1/keys', { ...place, credential: { kind: 'hmac' } });
    const key: SigningKey = { kind: 'hmac', secret: body.secret };
    const sign = async (dialect: Signer['dialect'], method: string, path: string, content = '', headers = {}) => {
      const signer = { dialect, credential: body.credential.id as string, key, passphrase: body.passphrase as string };
      return await signRequest(signer, {
        ...{ method, url: this.url + path, body: content },
        headers: Object.entries<string>(headers),
      });
    };
    await eventually('the verifier guards alone', async () => {
      return (await this.send(await sign('rfc9421', 'GET', '/v1/prices/A%2FB?x=1&x=2'))).status === 200;
    });
    return sign;
  }

  /** @param body another than the one that was signed */
  send(signed: Awaited<ReturnType<typeof signRequest>>, body: Uint8Array | string = signed.body): Promise<Response> {
    return fetch(signed.url, {
      method: signed.method,
      headers: signed.headers.map(([name, value]): [string, string] => [name, value]),
      ...(body.length === 0 ? {} : { body: typeof body === 'string' ? body : new Uint8Array(body) }),
    });
  }

  /** Ends the installation, with its verifier. */
  async endVerifier(): Promise<void> {
    const { port } = new URL(this.installation.verifierUrl);
    await this.installation[Symbol.asyncDispose]();
    await eventually('it is gone', async () => {
      const socket = connect(Number(port), '127.0.0.1');
      const result = await Promise.race([
        once(socket, 'error').then(() => true),
        once(socket, 'connect').then(() => false),
      ]);
      socket.destroy();
      return result;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

async function ended(gateway: ChildProcess): Promise<void> {
  if (gateway.exitCode !== null || gateway.pid === undefined) return;
  const exit = once(gateway, 'exit');
  gateway.kill('SIGTERM');
  await exit;
}

async function freePort(): Promise<number> {
  const server = createTcp().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
