import assert from 'node:assert/strict';
import { confirmWithPasskey } from '@keyhold/sdk/signing/confirm-with-passkey';
import { systemClock } from '../clock.ts';
import type { TestInstallation } from './installation.ts';
import { type DeviceKey, PasskeyDevice } from './passkey-device.ts';

export interface PersonAnswer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  readonly body: any;
  readonly headers: Headers;
}

export interface Asking {
  /** Shows the passkey for this very request. */
  readonly confirm?: boolean;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Somebody with a browser and a passkey in it, over real HTTP. */
export class TestPerson {
  #installation: Pick<TestInstallation, 'controlUrl'>;
  readonly device: PasskeyDevice;
  /** Value of the cookie. */
  session = '';
  id = '';
  sessionId = '';

  constructor(installation: Pick<TestInstallation, 'controlUrl'>, key?: DeviceKey) {
    this.#installation = installation;
    this.device = new PasskeyDevice(originOf(installation), undefined, key);
  }

  /** The server started again at another port: to a browser that is another origin, to a passkey the same host. */
  movedTo(installation: Pick<TestInstallation, 'controlUrl'>): void {
    this.#installation = installation;
    this.device.origin = originOf(installation);
  }

  /** With an invitation, or as the first owner with the bootstrap token and a name. */
  async enrol(secret: string, name?: string): Promise<PersonAnswer> {
    const headers = { authorization: `Bearer ${secret}` };
    const named = name === undefined ? {} : { name };
    const asked = await this.send('POST', '/v1/enrolment/options', named, headers);
    if (asked.status !== 200) return asked;
    const { options, person } = asked.body;
    const response = this.device.create(options);
    const body = { ...named, person, passkeyName: 'test device', response };
    return this.began(await this.send('POST', '/v1/enrolment', body, headers));
  }

  async signIn(): Promise<PersonAnswer> {
    const { body } = await this.send('POST', '/v1/sign-in/options', {}, {});
    return await this.signInWith(this.device.assert(body.options));
  }

  async signInWith(response: object): Promise<PersonAnswer> {
    return this.began(await this.send('POST', '/v1/sign-in', { response }, {}));
  }

  began(answer: PersonAnswer): PersonAnswer {
    if (answer.status < 300) {
      this.#readCookie(answer.headers);
      this.id = answer.body.person.id;
      this.sessionId = answer.body.session.id;
    }
    return answer;
  }

  /** What the browser sends, from a page of ours. */
  async call(
    method: string,
    path: string,
    body?: unknown,
    { confirm, headers = {} }: Asking = {},
  ): Promise<PersonAnswer> {
    const { controlUrl } = this.#installation;
    const text = body === undefined ? '' : JSON.stringify(body);
    let passkey: Record<string, string> = {};
    if (confirm === true) {
      const request = {
        method,
        url: new URL(path, controlUrl).href,
        headers: [],
        body: new TextEncoder().encode(text),
      };
      const holder = { credential: { id: this.sessionId }, rpId: this.device.rpId, now: () => systemClock.wall() };
      const confirmed = await confirmWithPasskey(request, holder, this.device);
      passkey = Object.fromEntries(confirmed.headers);
    }
    const cookie = { cookie: `__Host-keyhold-session=${this.session}` };
    const answer = await this.send(method, path, body, { ...cookie, ...passkey, ...headers });
    this.#readCookie(answer.headers);
    return answer;
  }

  /** The word of the person for what a command line of his asked. */
  async passkeyOver(asked: Record<'method' | 'target' | 'body' | 'session', string>): Promise<string> {
    const url = new URL(asked.target, this.#installation.controlUrl).href;
    const request = { method: asked.method, url, headers: [], body: new TextEncoder().encode(asked.body) };
    const holder = { credential: { id: asked.session }, rpId: this.device.rpId, now: () => systemClock.wall() };
    const { headers } = await confirmWithPasskey(request, holder, this.device);
    return headers.find(([name]) => name === 'Keyhold-Passkey')?.[1] ?? '';
  }

  #readCookie(headers: Headers): void {
    const [set] = headers.getSetCookie();
    const value = /^__Host-keyhold-session=([^;]*);/.exec(set ?? '')?.[1];
    if (value !== undefined) this.session = value;
  }

  async send(method: string, path: string, body: unknown, headers: Record<string, string>): Promise<PersonAnswer> {
    const { controlUrl } = this.#installation;
    const response = await fetch(new URL(path, controlUrl), {
      method,
      headers: {
        ...(method === 'GET' ? {} : { origin: originOf(this.#installation) }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: text === '' ? undefined : JSON.parse(text) };
  }
}

/** As its own pages are opened. */
export function originOf({ controlUrl }: Pick<TestInstallation, 'controlUrl'>): string {
  return `http://localhost:${new URL(controlUrl).port}`;
}

/** The first owner of an installation; its bootstrap token opens nothing afterwards. */
export async function enrolOwner(
  installation: Pick<TestInstallation, 'controlUrl' | 'bootstrapToken'>,
): Promise<TestPerson> {
  const owner = new TestPerson(installation);
  const enrolled = await owner.enrol(installation.bootstrapToken, 'Ada Owner');
  assert.equal(enrolled.status, 201, JSON.stringify(enrolled.body));
  return owner;
}

/** Somebody whom the owner invites, with a role. */
export async function enrolPerson(
  installation: TestInstallation,
  owner: TestPerson,
  role: object,
  name = 'Somebody',
): Promise<TestPerson> {
  const body = { name, reason: 'test', ...role };
  const invited = await owner.call('POST', '/v1/people', body, { confirm: true });
  assert.equal(invited.status, 201, JSON.stringify(invited.body));
  const person = new TestPerson(installation);
  const enrolled = await person.enrol(invited.body.secret);
  assert.equal(enrolled.status, 201, JSON.stringify(enrolled.body));
  return person;
}
