import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Browser, type BrowserContext, type CDPSession, chromium, type Page } from 'playwright-core';
import { createPlace, type TestPlace } from '../../testing/databases.ts';
import { eventually } from '../../testing/eventually.ts';
import { send, startInstallation, type TestInstallation } from '../../testing/installation.ts';
import { chromiumPath } from '../../testing/missing-part.ts';
import { originOf, TestPerson } from '../../testing/person.ts';
import { startSsoProvider } from '../../testing/sso-provider.ts';
import { settle } from '../../testing/policies.ts';
import { assertOpenToAll, invite, note } from '../../testing/open-to-all.ts';

const executablePath = chromiumPath();
describe('the pages of people, in a real browser', { skip: executablePath === null }, () => {
  let place: TestPlace;
  let installation: TestInstallation;
  let browser: Browser;
  let owner: Page;
  const asked: string[] = [];
  const devices = new Map<Page, { devtools: CDPSession; authenticatorId: string }>();

  before(async () => {
    place = await createPlace('sqlite');
    installation = await startInstallation(place);
    browser = await chromium.launch({ executablePath: executablePath as string, args: ['--no-sandbox'] });
    owner = await openPage();
  });
  after(async () => {
    await browser?.close();
    await installation?.[Symbol.asyncDispose]();
    await place?.[Symbol.asyncDispose]();
  });

  /** A browser of somebody's own, whose device shows passkeys. */
  async function openPage(): Promise<Page> {
    const context: BrowserContext = await browser.newContext();
    const page = await context.newPage();
    page.on('request', (request) => asked.push(new URL(request.url()).origin));
    page.on('pageerror', (error) => assert.fail(error));
    const devtools = await context.newCDPSession(page);
    await devtools.send('WebAuthn.enable');
    const kind = { protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true } as const;
    const options = { ...kind, isUserVerified: true, automaticPresenceSimulation: true };
    const { authenticatorId } = await devtools.send('WebAuthn.addVirtualAuthenticator', { options });
    devices.set(page, { devtools, authenticatorId });
    return page;
  }

  const at = (path: string) => `${originOf(installation)}${path}`;
  const confirmed = (method: string, path: string, body: object) =>
    owner.evaluate(callInPage, [method, path, body] as const);

  it('the first owner is made with the bootstrap token, by the keyboard alone', async () => {
    await owner.goto(at('/sign-in'));
    await assertOpenToAll(owner, 'sign-in');
    await owner.goto(at('/enrol'));
    await assertOpenToAll(owner, 'enrol');
    await owner.keyboard.type('nonsense');
    await owner.keyboard.press('Enter');
    await note(owner, 'This token opens nothing');
    await owner.locator('#secret').fill(installation.bootstrapToken);
    await owner.keyboard.press('Enter');
    await note(owner, 'You will be the first owner');
    await owner.keyboard.type('Ada Owner');
    await owner.keyboard.press('Enter');
    await owner.waitForURL(at('/account'));
    await owner.locator('#who', { hasText: 'Ada Owner' }).waitFor();
    await owner.locator('#roles', { hasText: 'owner, whole installation' }).waitFor();
    await assertOpenToAll(owner, 'account');
  });

  it('signs out, and in again with the passkey; without it nobody gets in', async () => {
    await owner.locator('#sign-out').click();
    await owner.waitForURL(at('/sign-in'));
    await owner.goto(at('/account'));
    await owner.waitForURL(at('/sign-in'));
    const stranger = await openPage();
    await stranger.goto(at('/sign-in'));
    await stranger.locator('#sign-in').click();
    await note(stranger, 'No passkey was shown');
    await owner.locator('#sign-in').click();
    await owner.waitForURL(at('/account'));
    // A script that got into the page could not read what the session is.
    assert.equal(await owner.evaluate('document.cookie'), '');
  });

  it('whoever is invited enrols with the whole link, whose secret leaves the address', async () => {
    const [invited, status] = await owner.evaluate(invite, { name: 'Sam', role: 'support', reason: 'desk' });
    assert.equal(status, 201, JSON.stringify(invited));
    const sam = await openPage();
    await sam.goto(invited.url);
    assert.equal(sam.url(), at('/enrol'));
    await sam.locator('#enrol').click();
    await sam.waitForURL(at('/account'));
    await sam.locator('#who', { hasText: 'Sam' }).waitFor();
    const again = await openPage();
    await again.goto(invited.url);
    await again.locator('#enrol').click();
    await note(again, 'This token opens nothing');
  });

  it('a second passkey is added and one removed, each confirmed by one that is there', async () => {
    await owner.locator('#passkey-name').fill('phone');
    // The device of this browser has one for this person already.
    await owner.locator('#add-passkey').click();
    await note(owner, 'This device has a passkey for you already');
    const first = devices.get(owner);
    assert.ok(first !== undefined);
    const { devtools } = first;
    const kind = { protocol: 'ctap2', transport: 'usb', hasResidentKey: true, hasUserVerification: true } as const;
    const options = { ...kind, isUserVerified: true, automaticPresenceSimulation: true };
    const { authenticatorId } = await devtools.send('WebAuthn.addVirtualAuthenticator', { options });
    const touch = async (touched: string) => {
      for (const id of [first.authenticatorId, authenticatorId]) {
        const enabled = id === touched;
        await devtools.send('WebAuthn.setAutomaticPresenceSimulation', { authenticatorId: id, enabled });
      }
    };
    // The new one is made on the new device, and confirmed on the old one.
    await touch(authenticatorId);
    await owner.evaluate(waitBeforeConfirming);
    await owner.locator('#add-passkey').click();
    await eventually('a passkey on the new device', async () => {
      const { credentials } = await devtools.send('WebAuthn.getCredentials', { authenticatorId });
      return credentials.length === 1;
    });
    await touch(first.authenticatorId);
    await owner.evaluate('goOn()');
    await note(owner, 'phone signs you in from now on');
    const remove = owner.getByRole('button', { name: 'Remove: phone' });
    await remove.click();
    await note(owner, 'phone signs nobody in any more');
    assert.equal(await remove.count(), 0);
  });

  it('a command line is signed in by a code, and what it asks is shown as it is and confirmed', async () => {
    await owner.locator('#make-code').click();
    await note(owner, 'Paste the code within five minutes');
    const code = (await owner.locator('#code').textContent()) ?? '';
    const url = (path: string) => new URL(path, installation.controlUrl);
    const { secret: token } = (await send(url('/v1/device-sign-in'), 'POST', { code }, {})).body;
    const create = (name: string, headers = {}) =>
      send(url('/v1/tokens'), 'POST', { name, scopes: ['read'] }, { token, headers });
    const { confirmation } = (await create('<b>first</b>')).body;
    const waits = owner.locator('#pending li', { hasText: 'POST /v1/tokens' });
    assert.equal(
      await waits.locator('pre').textContent(),
      '{\n  "name": "<b>first</b>",\n  "scopes": [\n    "read"\n  ]\n}',
    );
    await assertOpenToAll(owner, 'pending');
    await waits.getByRole('button', { name: /^Confirm/ }).click();
    await note(owner, 'Confirmed');
    const again = { 'keyhold-confirmation': confirmation };
    assert.equal((await create('<b>first</b>', again)).status, 201);
    // Spaces that push what matters out of sight, a name twice, letters that turn the others around.
    const dressed = `{"name":"x\u202e","scopes":["read"]${'\n'.repeat(60)},"scopes":["admin"]}`;
    await fetch(url('/v1/tokens'), {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: dressed,
    });
    const taken = '{\n  "name": "x\\u202e",\n  "scopes": [\n    "admin"\n  ]\n}';
    await waits.locator('pre', { hasText: 'u202e' }).waitFor();
    assert.equal(await waits.locator('pre').textContent(), taken);
    await waits.getByRole('button', { name: /^Discard/ }).click();
    await note(owner, 'Discarded');
    await create('second');
    await waits.locator('pre', { hasText: 'second' }).waitFor();
    await waits.getByRole('button', { name: /^Discard/ }).click();
    await note(owner, 'Discarded');
    await owner.reload();
    await owner.getByRole('button', { name: /^End: Command line/ }).click();
    await note(owner, 'That session has ended');
    assert.equal((await send(url('/v1/session'), 'GET', undefined, { token })).status, 401);
  });

  it('what others ask to be approved is shown with what would be other than now, and approved or denied', async () => {
    const consumer = await confirmed('POST', '/v1/consumers', { project: 'default', name: 'bot' });
    const where = { project: 'default', environment: 'production' };
    const key = { ...where, consumer: consumer.id, name: 'trader', permissions: ['prices:read'] };
    const { key: issued } = await confirmed('POST', '/v1/keys', key);
    const text = 'forbid(principal, action == Action::"keys.change", resource) unless { context.approvals >= 1 };';
    const { basis } = await confirmed('POST', '/v1/policies/preview', { name: 'changes', text });
    await confirmed('PUT', '/v1/policies/changes', { text, reason: 'test', basis });
    const invited = await confirmed('POST', '/v1/people', { name: 'Dora', role: 'developer', reason: 'test' });
    const asker = new TestPerson(installation);
    assert.equal((await asker.enrol(invited.secret)).status, 201);
    await settle(place, asker.id);
    const headers = { 'keyhold-approval-reason': encodeURIComponent('a wider desk') };
    const change = (permissions: readonly string[], more: Record<string, string>) =>
      asker.call('PATCH', `/v1/keys/${issued.id}`, { permissions }, { confirm: true, headers: more });
    const wider = ['prices:read', 'orders:read'];
    const { approval } = (await change(wider, headers)).body;
    await owner.reload();
    const waits = owner.locator('#approvals li', { hasText: 'PATCH /v1/keys/' });
    await waits.waitFor();
    assert.match((await waits.textContent()) ?? '', /Dora, for default\/production: “a wider desk”.*0 of 1 approved/s);
    assert.equal(
      await waits.locator('pre.change').textContent(),
      '- permissions: ["prices:read"]\n+ permissions: ["prices:read","orders:read"]',
    );
    await assertOpenToAll(owner, 'approvals');
    await waits.getByRole('button', { name: /^Approve/ }).click();
    await note(owner, 'Say why');
    await waits.getByLabel('Why').fill('agreed at the desk');
    await owner.keyboard.press('Tab');
    await owner.keyboard.press('Enter');
    await note(owner, 'Approved: just this, once');
    assert.equal((await change(['prices:read', 'orders:write'], { 'keyhold-approval': approval })).status, 403);
    assert.equal((await change(wider, { 'keyhold-approval': approval })).status, 200);
    await change(['prices:read', 'orders:write'], headers);
    await owner.reload();
    await waits.getByLabel('Why').fill('not today');
    await waits.getByRole('button', { name: /^Deny/ }).click();
    await note(owner, 'It is not done');
    await waits.waitFor({ state: 'detached' });
  });

  it('what settings would be is shown with what is left out of them', async () => {
    const text = 'forbid(principal, action == Action::"permissions.set", resource) unless { context.approvals >= 1 };';
    const setting = '/v1/projects/default/environments/production/permissions/orders:write';
    await confirmed('PUT', setting, { confirm: 'online' });
    const { basis } = await confirmed('POST', '/v1/policies/preview', { name: 'settings', text });
    await confirmed('PUT', '/v1/policies/settings', { text, reason: 'test', basis });
    const invited = await confirmed('POST', '/v1/people', { name: 'Sol', role: 'administrator', reason: 'test' });
    const asker = new TestPerson(installation);
    assert.equal((await asker.enrol(invited.secret)).status, 201);
    const headers = { 'keyhold-approval-reason': 'less' };
    const asked = await asker.call('PUT', setting, { audit: 'every-use' }, { confirm: true, headers });
    assert.equal(asked.body.code, 'APPROVALS_REQUIRED', JSON.stringify(asked.body));
    await owner.reload();
    const waits = owner.locator('#approvals li', { hasText: 'PUT /v1/projects' });
    await waits.waitFor();
    assert.equal(await waits.locator('pre.change').textContent(), '+ audit: "every-use"\n- confirm: "online"');
    await waits.getByLabel('Why').fill('no');
    await waits.getByRole('button', { name: /^Deny/ }).click();
    await waits.waitFor({ state: 'detached' });
  });

  it('break-glass is seen by whoever looks after it, closed there, and looked at', async () => {
    const invited = await confirmed('POST', '/v1/people', { name: 'Gina', role: 'administrator', reason: 'test' });
    const gina = new TestPerson(installation);
    assert.equal((await gina.enrol(invited.secret)).status, 201);
    await settle(place, gina.id);
    const asked = { reason: 'the exchange is down', minutes: 10 };
    assert.equal((await gina.call('POST', '/v1/break-glass', asked, { confirm: true })).status, 201);
    // Without a reload: the page is open somewhere.
    const glass = owner.locator('#glass li');
    await glass.waitFor();
    assert.match(
      (await glass.textContent()) ?? '',
      /Gina: “the exchange is down”.*Without approvals since .*, until /s,
    );
    assert.match(await owner.title(), /^! /);
    await assertOpenToAll(owner, 'break-glass');
    await glass.getByRole('button', { name: /^Close: Gina/ }).click();
    await note(owner, 'It is over');
    await glass.getByRole('button', { name: /^Say it/ }).click();
    await note(owner, 'Say what was done');
    await glass.getByLabel('What you found').fill('it had to be');
    await owner.keyboard.press('Tab');
    await owner.keyboard.press('Enter');
    await note(owner, 'Reviewed');
    await glass.waitFor({ state: 'detached' });
    assert.doesNotMatch(await owner.title(), /^!/);
  });

  it('asks nobody but this server for anything, and by its address leads to its name', async () => {
    assert.deepEqual([...new Set(asked)], [originOf(installation)]);
    const page = await openPage();
    assert.equal((await fetch(new URL('/', installation.controlUrl))).status, 404);
    await page.goto(new URL('/', installation.controlUrl).href);
    assert.equal(page.url(), at('/sign-in'));
  });

  it('loads what its own tags name, by a nonce of each answer, and nothing that got into it', async () => {
    const nonces = new Set<string>();
    for (const path of ['/account', '/account', '/sign-in', '/enrol']) {
      const answer = await fetch(at(path));
      const policy = answer.headers.get('content-security-policy') ?? '';
      const [, nonce = ''] = /script-src 'nonce-([A-Za-z0-9+/]{22}==)';/.exec(policy) ?? [];
      assert.equal(
        policy,
        `default-src 'none'; script-src 'nonce-${nonce}'; style-src 'nonce-${nonce}'; connect-src 'self'; ` +
          `base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
      );
      const html = await answer.text();
      const loading = html.match(/<(?:script|link|style)[^>]*>/g) ?? [];
      assert.ok(loading.length === 2 && loading.every((tag) => tag.includes(`nonce="${nonce}"`)), loading.join());
      assert.doesNotMatch(html, /NONCE| on[a-z]+=| style=/);
      nonces.add(nonce);
    }
    assert.equal(nonces.size, 4);
    const page = await openPage();
    await page.goto(at('/sign-in'));
    const ran = await page.evaluate(`(async () => {
      const script = document.createElement('script');
      script.textContent = 'globalThis.ran = true';
      document.head.append(script);
      const other = document.createElement('script');
      other.src = '/assets/sign-in.js';
      const loaded = new Promise((resolve) => {
        other.onload = () => resolve(true);
        other.onerror = () => resolve(false);
      });
      document.head.append(other);
      return [globalThis.ran ?? false, await loaded];
    })()`);
    assert.deepEqual(ran, [false, false]);
  });

  it('goes to a provider and comes back from it: with what groups give, a first passkey, and who was here before', async () => {
    await using provider = await startSsoProvider([`${originOf(installation)}/sign-on/corp/callback`]);
    provider.accounts.set('ann', { name: 'Ann at Corp', groups: ['audit'] });
    provider.accounts.set('ada', { name: 'Ada', groups: ['audit'] });
    const { clientSecret, issuer } = provider;
    const secretAt = { project: 'default', environment: 'production', path: 'sso/corp' };
    await confirmed('POST', '/v1/secrets', { ...secretAt, data: { clientSecret } });
    const roles = [{ group: 'audit', role: 'auditor' }];
    const body = { issuer, clientId: 'keyhold', clientSecretFrom: secretAt, makesPeople: true, roles };
    await confirmed('PUT', '/v1/sign-on/corp', body);
    const showWho = async (page: Page, login: string) => {
      await page.getByPlaceholder(/login/i).fill(login);
      await page.getByPlaceholder(/password/i).fill('x');
      await page.locator('button[type=submit]').click();
    };
    const agree = (page: Page) => page.getByRole('button', { name: /continue/i }).click();

    const ann = await openPage();
    await ann.goto(at('/sign-in'));
    await ann.getByRole('link', { name: 'Sign in with corp' }).waitFor();
    await assertOpenToAll(ann, 'sign-in-provider');
    await ann.getByRole('link', { name: 'Sign in with corp' }).press('Enter');
    await showWho(ann, 'ann');
    await agree(ann);
    await ann.waitForURL(at('/account'));
    await ann.locator('#who', { hasText: 'Ann at Corp' }).waitFor();
    await ann.locator('#providers', { hasText: 'signed in by it' }).waitFor();
    await assertOpenToAll(ann, 'account-provider');
    await ann.locator('#passkey-name').fill('laptop');
    await ann.locator('#add-passkey').click();
    // She shows anew who she is, if the provider wants that of her; then it is added, and confirms what comes after.
    await ann.waitForURL(at('/account'));
    await ann.locator('#who', { hasText: 'Ann at Corp' }).waitFor();
    await ann.locator('#passkey-name').fill('laptop');
    await ann.locator('#add-passkey').click();
    await note(ann, 'laptop signs you in from now on');
    await ann.locator('#make-code').click();
    await ann.locator('#code:not([hidden])').waitFor();

    // The owner, who was here before, says who he is there.
    await owner.goto(at('/account'));
    await owner.getByRole('button', { name: /^Link/ }).click();
    await showWho(owner, 'ada');
    await agree(owner);
    await owner.waitForURL(at('/account'));
    await owner.locator('#providers', { hasText: 'You are known there' }).waitFor();
    await owner.locator('#who', { hasText: 'Ada Owner' }).waitFor();
  });
});

/** Runs in the page: a person takes the other device into his hand before he goes on. */
function waitBeforeConfirming(): void {
  // biome-ignore lint/suspicious/noExplicitAny: what browsers have is not among Node's types
  const page = globalThis as any;
  const { credentials } = page.navigator;
  const get = credentials.get.bind(credentials);
  const ready = new Promise((resolve) => {
    page.goOn = resolve;
  });
  credentials.get = async (options: object) => {
    await ready;
    return await get(options);
  };
}

/** Runs in the page, with what the page itself loads. */
// biome-ignore lint/suspicious/noExplicitAny: answers of every shape
async function callInPage([method, path, body]: readonly [string, string, object]): Promise<any> {
  const module = '/assets/passkeys.js';
  const { call, callConfirmed } = await import(module);
  const { sessions, passkeys, rpId } = await call('GET', '/v1/session');
  const session = sessions.find(({ current }: { current: boolean }) => current).id;
  const ids = passkeys.map(({ credentialId }: { credentialId: string }) => credentialId);
  return await callConfirmed(method, path, body, { session, rpId, passkeys: ids });
}
