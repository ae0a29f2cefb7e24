import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, describe, it } from 'node:test';
import { isRefusal } from '@keyhold/protocol/errors';
import { systemClock } from '../clock.ts';
import { createPlace } from '../testing/databases.ts';
import { eventually } from '../testing/eventually.ts';
import { untilReady } from '../testing/installation.ts';
import { openOwnVault } from '../testing/own-vault.ts';
import { freePort, startProcess } from '../testing/processes.ts';
import { controlProcess, startProcessInstallation } from '../testing/process-installation.ts';
import { changeSealInto, mustOpenSeal, tokenChange } from '../testing/seals.ts';
import { type SoftHsm, startSoftHsm } from '../testing/soft-hsm.ts';
import { Hsm } from './hsm.ts';
import { keyToEncrypt } from './open-vault-key.ts';
import { rotateRootKey } from './rotate-keys.ts';

const CALLER = { actor: 'system' };
/** Makes every process that has it unable to find pkcs11js. */
const WITHOUT_PKCS11JS = `import { registerHooks } from 'node:module';
registerHooks({ resolve(specifier, context, next) {
  if (specifier === 'pkcs11js') throw Object.assign(new Error('not there'), { code: 'MODULE_NOT_FOUND' });
  return next(specifier, context);
} });`;

/** Processes that talk to this HSM, whoever started them. */
async function processesOf({ environment }: SoftHsm): Promise<number[]> {
  return globSync('/proc/[0-9]*').flatMap((folder) => {
    try {
      const [name, settings] = ['cmdline', 'environ'].map((file) => readFileSync(`${folder}/${file}`, 'utf8'));
      const isIts = name?.includes('hsm-process') && settings?.includes(environment['SOFTHSM2_CONF'] as string);
      return isIts === true ? [Number(basename(folder))] : [];
    } catch {
      return [];
    }
  });
}

const untilAsked = (hsm: SoftHsm) => eventually('the HSM is asked', async () => (await processesOf(hsm))[0]);
const untilLeft = (hsm: SoftHsm) =>
  eventually('its process is gone', async () => (await processesOf(hsm)).length === 0);

function parentOf(pid: number): number {
  const [, parent] = /^PPid:\s*(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(parent);
}

describe('an HSM', () => {
  const folder = mkdtempSync(join(tmpdir(), 'keyhold-test-'));
  after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'module.so');
  writeFileSync(file, '', { mode: 0o600 });
  const bytes = randomBytes(12);
  const call = { action: 'decrypt', module: file, tokenLabel: 't', keyLabel: 'k', pin: 'none' } as const;
  const data = { nonce: bytes, associated: bytes, data: bytes };

  it('is not talked to where pkcs11js was not built, and the refusal says how it is', async () => {
    const environment = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(WITHOUT_PKCS11JS)}` };
    const refused = await new Hsm({ clock: systemClock, environment }).call({ ...call, ...data });
    assert.ok(isRefusal(refused));
    assert.equal(refused.refused, 'HSM_SUPPORT_MISSING');
    assert.match(refused.detail, /not installed: node scripts\/build-pkcs11js\.mjs/);
  });

  it('is not talked to by a module that is named by a relative path', async () => {
    const refused = await new Hsm({ clock: systemClock, environment: {} }).call({ ...call, ...data, module: 'm.so' });
    assert.ok(isRefusal(refused));
    assert.deepEqual([refused.refused, /absolute/.test(refused.detail)], ['HSM_MODULE_UNUSABLE', true]);
  });

  it('that hangs is given up in time and its process ended, and holds nobody up meanwhile', async (t) => {
    using soft = startSoftHsm(t);
    if (soft === null) return;
    await using place = await createPlace('sqlite');
    await using own = await openOwnVault(place, { environment: soft.environment, timeoutMs: 1500 });
    soft.fail('hangs');
    let over = false;
    const changing = own.gate.change(CALLER, tokenChange(soft, 'file')).finally(() => void (over = true));
    await untilAsked(soft);
    assert.ok(!isRefusal(await keyToEncrypt(own.vault, own.place, 'secrets')), 'a new key is made');
    const rotated = await rotateRootKey(own.vault, CALLER);
    assert.equal(!isRefusal(rotated) && rotated.version, 2);
    assert.ok(!isRefusal(await own.gate.close(CALLER)));
    assert.ok(!isRefusal(await own.gate.unseal(CALLER, {})));
    assert.equal(over, false);
    const refused = await changing;
    assert.ok(isRefusal(refused));
    assert.deepEqual([refused.refused, refused.detail], ['HSM_UNAVAILABLE', 'The HSM did not answer within 1.5 s.']);
    await untilLeft(soft);
    soft.fail(null);
    assert.ok(!isRefusal(await own.gate.change(CALLER, tokenChange(soft, 'file'))));
  });

  it('that hangs does not keep the server from stopping, nor from serving at the next start', async (t) => {
    using soft = startSoftHsm(t);
    if (soft === null) return;
    await using place = await createPlace('sqlite');
    await using installation = await startProcessInstallation(place, { env: soft.environment });
    await changeSealInto(installation, soft, 'file');
    soft.fail('hangs');
    const changing = installation.call('POST', '/v1/seal/change', tokenChange(soft, 'file')).catch(() => null);
    await untilAsked(soft);
    assert.equal(await installation.control.stop(), 0);
    await changing;
    await untilLeft(soft);
    const starting = installation.startControl();
    const pid = await untilAsked(soft);
    await untilReady(installation.controlUrl);
    assert.equal((await installation.call('GET', '/v1/seal')).body.sealed, true);
    process.kill(pid);
    await starting;
    soft.fail(null);
    await mustOpenSeal(installation, { kind: 'pkcs11' });
  });

  it('that hangs at a start keeps no verifier waiting, and is left by a stop', async (t) => {
    using soft = startSoftHsm(t);
    if (soft === null) return;
    await using place = await createPlace('sqlite');
    await using installation = await startProcessInstallation(place, { env: soft.environment });
    await changeSealInto(installation, soft, 'file');
    await installation.control.stop();
    soft.fail('hangs');
    const verifierPort = await freePort();
    const { args, env } = controlProcess(place, await freePort());
    const withVerifier = [...args.filter((one) => one !== '--no-verifier'), '--verifier-port', String(verifierPort)];
    const starting = startProcess({ args: withVerifier, env: { ...env, ...soft.environment } });
    const ended = assert.rejects(starting, { name: 'StartFailed', exitCode: 0 });
    const asked = await untilAsked(soft);
    await eventually('its verifier is ready', () =>
      fetch(`http://127.0.0.1:${verifierPort}/health/ready`).then(
        ({ ok }) => ok,
        () => false,
      ),
    );
    assert.deepEqual(await processesOf(soft), [asked], 'the HSM still hangs');
    process.kill(parentOf(asked), 'SIGTERM');
    await ended;
    await untilLeft(soft);
    soft.fail(null);
    await installation.startControl();
    const { body } = await installation.call('GET', '/v1/audit/entries?action=seal.attempted');
    const codes = body.items.map(({ leaf }: { leaf: string }) => JSON.parse(leaf).code);
    assert.deepEqual(codes, ['hsm_unavailable'], 'the try that was stopped');
  });

  it('is asked nothing more once it was stopped, also by whoever waits for his turn', async (t) => {
    using soft = startSoftHsm(t);
    if (soft === null) return;
    soft.fail('hangs');
    const hsm = new Hsm({ clock: systemClock, environment: soft.environment });
    const { module, tokenLabel, pin } = soft;
    const asking = [1, 2].map(() => hsm.call({ ...call, ...data, module, tokenLabel, pin }));
    await untilAsked(soft);
    hsm.stop();
    for (const refused of await Promise.all(asking)) {
      assert.ok(isRefusal(refused));
      assert.equal(refused.refused, 'HSM_UNAVAILABLE');
    }
    await untilLeft(soft);
  });
});
