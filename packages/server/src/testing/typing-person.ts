import { hash } from 'node:crypto';
import assert from 'node:assert/strict';
import { TOTP_STEP_MS } from '@keyhold/protocol/totp';
import { systemClock } from '../clock.ts';
import { authenticator } from './authenticator.ts';
import { type PersonAnswer, TestPerson } from './person.ts';
import { assertStatus } from './shared-market.ts';

export const PASSWORD = 'four quite ordinary words';

const MARGIN_MS = 8_000;

/** Somebody with a browser, a password and an authenticator app; over real HTTP. Each code that he shows is a new one. */
export class TypingPerson extends TestPerson {
  login = '';
  password = PASSWORD;
  recoveryCodes: string[] = [];
  #app: { codeAt(wallMs: number): string } | undefined;
  #shown = 0;

  /** The steps that count now are three: a test that needs more sets the clock on. */
  nextCode(): string {
    const wall = systemClock.wall();
    const now = Math.floor(wall / TOTP_STEP_MS);
    // What is almost over would be so when it arrives.
    const isEnding = wall % TOTP_STEP_MS > TOTP_STEP_MS - MARGIN_MS;
    this.#shown = Math.max(this.#shown + 1, isEnding ? now : now - 1);
    assert.ok(this.#shown <= now + 1, 'no code is left in this half minute');
    return this.codeAt(this.#shown);
  }

  /** @param step of the clock, in half minutes */
  codeAt(step: number): string {
    return this.#app?.codeAt(step * TOTP_STEP_MS) ?? '';
  }

  /** Takes a secret that was offered; what has to come back with it. */
  take({ secret, uri, challenge }: { secret: string; uri: string; challenge: string }) {
    this.#app = authenticator(uri);
    this.#shown = 0;
    return { secret, challenge, code: this.nextCode() };
  }

  async enrolTyping(invitation: string, login: string): Promise<PersonAnswer> {
    const headers = { authorization: `Bearer ${invitation}` };
    const { totp } = assertStatus(await this.send('POST', '/v1/enrolment/options', {}, headers), 200);
    if (totp === null) throw new Error('no password is offered');
    this.login = login;
    const body = { login, password: this.password, totp: this.take(totp) };
    const answer = this.began(await this.send('POST', '/v1/enrolment/password', body, headers));
    if (answer.status === 201) this.recoveryCodes = answer.body.recoveryCodes;
    return answer;
  }

  async signInTyping(code = this.nextCode(), password = this.password): Promise<PersonAnswer> {
    return this.began(await this.send('POST', '/v1/sign-in/password', { login: this.login, password, code }, {}));
  }

  /** What binds a code to a request of his. */
  async nonceFor(method: string, target: string, body?: object, session?: string): Promise<string> {
    const bodySha256 = hash('sha256', body === undefined ? '' : JSON.stringify(body), 'hex');
    const asked = { method, target, bodySha256, ...(session === undefined ? {} : { session }) };
    return assertStatus(await this.call('POST', '/v1/confirmations/nonces', asked), 200).nonce;
  }

  /** With a code for just this request. */
  async callCoded(method: string, path: string, body?: object): Promise<PersonAnswer> {
    const nonce = await this.nonceFor(method, path, body);
    return await this.call(method, path, body, { headers: { 'keyhold-code': `${nonce}.${this.nextCode()}` } });
  }
}
