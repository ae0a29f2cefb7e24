import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { type Browser, chromium, type Page } from 'playwright-core';
import { createPlace, type TestPlace } from '../testing/databases.ts';
import { startInstallation, type TestInstallation } from '../testing/installation.ts';
import { chromiumPath } from '../testing/missing-part.ts';

const executablePath = chromiumPath();
const skip = executablePath === null && 'Chromium is missing';

let place: TestPlace;
let installation: TestInstallation;
let browser: Browser;

before(async () => {
  if (executablePath === null) return;
  place = await createPlace('sqlite');
  installation = await startInstallation(place);
  browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
});
after(async () => {
  await browser?.close();
  await installation?.[Symbol.asyncDispose]();
  await place?.[Symbol.asyncDispose]();
});

async function link(value: string): Promise<string> {
  const secret = { project: 'default', environment: 'production', path: value, data: { value } };
  const { id } = (await installation.call('POST', '/v1/secrets', secret)).body.secret;
  const to = { deliverTo: { once: { ttlSeconds: 60 } } };
  const { delivery } = (await installation.call('POST', `/v1/secrets/${id}/deliver`, to)).body;
  return new URL(`/once#${delivery.token}`, installation.controlUrl).href;
}

async function visit(url: string): Promise<Page> {
  const page = await (await browser.newContext()).newPage();
  await page.goto(url);
  return page;
}

it('a one-time page shows its content when the button is pressed, and never again', { skip }, async () => {
  const url = await link('shown-once');
  // Whoever only looks (a preview of the link, a second window) burns nothing.
  for (let i = 0; i < 2; i++) assert.doesNotMatch(await (await visit(url)).content(), /shown-once/);
  const page = await visit(url);
  assert.equal(new URL(page.url()).hash, '', 'the token leaves the address, and with it the history');
  await page.locator('#take').click();
  await page.locator('#content:not([hidden])').waitFor();
  assert.match((await page.locator('#content').textContent()) ?? '', /shown-once/);
  const again = await visit(url);
  await again.locator('#take').click();
  await again.locator('#note', { hasText: 'Nothing waits here' }).waitFor();
});

it('and says so where the address carries no token', { skip }, async () => {
  const page = await visit(new URL('/once', installation.controlUrl).href);
  assert.equal(await page.locator('#take').isDisabled(), true);
  assert.match((await page.locator('#note').textContent()) ?? '', /no token/);
});
