import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Browser, chromium, type Page } from 'playwright-core';
import { createPlace, type TestPlace } from '../../testing/databases.ts';
import { startInstallation, type TestInstallation } from '../../testing/installation.ts';
import { moveClock } from '../../testing/moved-clock.ts';
import { chromiumPath } from '../../testing/missing-part.ts';
import { assertOpenToAll, note } from '../../testing/open-to-all.ts';
import { enrolOwner, originOf, type TestPerson } from '../../testing/person.ts';
import { assertStatus } from '../../testing/shared-market.ts';
import { PASSWORD, TypingPerson } from '../../testing/typing-person.ts';

const executablePath = chromiumPath();

describe('a password and an app, in a real browser', { skip: executablePath === null }, () => {
  let place: TestPlace;
  let installation: TestInstallation;
  let browser: Browser;
  let owner: TestPerson;
  let ted: Page;

  before(async () => {
    place = await createPlace('sqlite');
    installation = await startInstallation(place);
    owner = await enrolOwner(installation);
    browser = await chromium.launch({ executablePath: executablePath as string, args: ['--no-sandbox'] });
    ted = await (await browser.newContext()).newPage();
    ted.on('pageerror', (error) => assert.fail(error));
    const devtools = await ted.context().newCDPSession(ted);
    await devtools.send('WebAuthn.enable');
    const kind = { protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true } as const;
    const options = { ...kind, isUserVerified: true, automaticPresenceSimulation: true };
    await devtools.send('WebAuthn.addVirtualAuthenticator', { options });
  });
  after(async () => {
    await browser?.close();
    await installation?.[Symbol.asyncDispose]();
    await place?.[Symbol.asyncDispose]();
  });

  const at = (path: string) => `${originOf(installation)}${path}`;

  it('whoever can have no passkey types a password and codes of an app; a first passkey is the end of that', async () => {
    const wanted = { name: 'Ted Typist', role: 'support', reason: 'desk', allowPassword: true };
    const body = { ...wanted, reason: 'desk' };
    const invited = assertStatus(await owner.call('POST', '/v1/people', body, { confirm: true }), 201);
    await ted.goto(invited.url);
    await ted.getByText('I can have no passkey').click();
    const secret = (await ted.locator('#app-secret').textContent()) ?? '';
    await ted.getByRole('img', { name: 'QR code for your authenticator app' }).waitFor();
    await assertOpenToAll(ted, 'enrol-password');
    const app = new TypingPerson(installation);
    const uri = `otpauth://totp/x?secret=${secret}`;
    await ted.locator('#login').fill('Ted');
    await ted.locator('#password').fill(PASSWORD);
    await ted.locator('#otp').fill(app.take({ secret, uri, challenge: '' }).code);
    await ted.keyboard.press('Enter');
    const codes = ted.locator('#codes');
    await codes.waitFor();
    assert.equal(((await codes.textContent()) ?? '').split('\n').length, 10);
    await assertOpenToAll(ted, 'recovery-codes');
    await ted.getByRole('link', { name: 'I have kept them: go on' }).press('Enter');
    await ted.waitForURL(at('/account'));
    await ted.locator('#password-cards', { hasText: 'You sign in as ted' }).waitFor();
    await ted.locator('#sign-out').click();
    await ted.waitForURL(at('/sign-in'));
    await ted.getByText('Sign in with a password and your app').click();
    await assertOpenToAll(ted, 'sign-in-password');
    const fill = async (code: string) => {
      await ted.locator('#login').fill('ted');
      await ted.locator('#password').fill(PASSWORD);
      await ted.locator('#otp').fill(code);
      await ted.keyboard.press('Enter');
    };
    await fill('000000');
    using _ = moveClock(90_000);
    await note(ted, 'do not belong together');
    await fill(app.nextCode());
    await ted.waitForURL(at('/account'));
    await ted.locator('#who', { hasText: 'Ted Typist' }).waitFor();
    const dialog = ted.getByRole('dialog', { name: 'Confirm it with your app' });
    await ted.locator('#make-code').click();
    await dialog.waitFor();
    await assertOpenToAll(ted, 'confirm-code');
    await ted.keyboard.press('Escape');
    await note(ted, 'nothing was done');
    await ted.locator('#passkey-name').fill('laptop');
    await ted.locator('#add-passkey').click();
    await dialog.locator('pre', { hasText: 'POST /v1/passkeys' }).waitFor();
    await ted.keyboard.type(app.nextCode());
    await ted.keyboard.press('Enter');
    await ted.waitForURL(/sign-in#PASSKEY_ADDED$/);
    await note(ted, 'your password is over');
    await ted.locator('#sign-in').click();
    await ted.waitForURL(at('/account'));
    await ted.locator('#passkeys', { hasText: 'laptop' }).waitFor();
    assert.equal(await ted.locator('#password-part').isVisible(), false);
  });
});
