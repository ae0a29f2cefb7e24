import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { createPlace } from '@keyhold/server/testing/databases';
import { startInstallation } from '@keyhold/server/testing/installation';
import { startSoftHsm } from '@keyhold/server/testing/soft-hsm';
import { runKeyhold } from './testing/run-keyhold.ts';

describe('keyhold seal, with a token', () => {
  it('reads the PIN from stdin or a file here, or leaves it to a file of the server, and prints none', async (t) => {
    using hsm = startSoftHsm(t);
    if (hsm === null) return;
    await using place = await createPlace('sqlite');
    await using installation = await startInstallation(place, { childEnvironment: hsm.environment });
    const printed: string[] = [];
    const keyhold = async (code: number, args: readonly string[], input?: string): Promise<string> => {
      const env = { KEYHOLD_URL: installation.controlUrl, KEYHOLD_DATA: place.folder };
      const finished = await runKeyhold(['seal', ...args], { env, ...(input === undefined ? {} : { input }) });
      assert.equal(finished.code, code, `${args}: ${finished.stdout}${finished.stderr}`);
      printed.push(finished.stdout, finished.stderr);
      return `${finished.stdout}${finished.stderr}`;
    };
    const token = ['--module', hsm.module, '--token-label', hsm.tokenLabel];
    const change = ['change', '--kind', 'pkcs11', ...token];
    assert.match(await keyhold(2, change, ''), /no PIN: give it on stdin or by --input-file/);
    const changed = await keyhold(0, change, `${hsm.pin}\n`);
    assert.match(changed, /^seal +pkcs11$/m);
    assert.match(changed, /^token +keyhold test\nkey +keyhold inst_\S+\nPIN +given each time$/m);
    await keyhold(0, ['close']);
    assert.match(await keyhold(1, ['open'], `${hsm.pin}0`), /HSM_PIN_WRONG/);
    const file = join(place.folder, 'pin');
    writeFileSync(file, `${hsm.pin}\n`, { mode: 0o600 });
    assert.match(await keyhold(0, ['open', '--input-file', file]), /^state +unsealed$/m);
    hsm.fail('gone');
    assert.match(await keyhold(3, [...change, '--pin-file', hsm.pinFile]), /HSM_UNAVAILABLE/);
    hsm.fail(null);
    assert.ok((await keyhold(0, [...change, '--pin-file', hsm.pinFile])).includes(hsm.pinFile));
    await keyhold(0, ['close']);
    assert.match(await keyhold(0, ['open']), /^state +unsealed$/m);
    assert.ok(!printed.join('').includes(hsm.pin));
  });
});
