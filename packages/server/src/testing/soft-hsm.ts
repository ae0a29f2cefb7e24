import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { CK, type Handle, loadPkcs11js, type Pkcs11 } from '../vault/pkcs11-interface.ts';
import { have } from './missing-part.ts';

/** Where distributions put it. */
const MODULES = ['/usr/lib/softhsm/libsofthsm2.so', '/usr/lib64/pkcs11/libsofthsm2.so'];
const CKU_SO = 0;
const SOURCE = fileURLToPath(new URL('unreliable-hsm.c', import.meta.url));

export type HsmFault =
  | 'locked'
  | 'flagged'
  | 'last-try'
  | 'gone'
  | 'hangs'
  | 'crashes'
  | 'lost-before-decrypting'
  /** Tokens that say nothing of themselves. */
  | 'other-broken'
  | 'all-broken';

/** A token of SoftHSM for one test, with the module that fails when it is told to. */
export interface SoftHsm extends Disposable {
  readonly module: string;
  readonly tokenLabel: string;
  readonly pin: string;
  /** Holds the PIN. */
  readonly pinFile: string;
  /** What the module finds its token by. */
  readonly environment: Readonly<Record<string, string>>;
  /** Until it is told `null`. */
  fail(fault: HsmFault | null): void;
  /** Takes every token away, and brings them back. */
  takeAway(): void;
  bringBack(): void;
  /** Gives it another PIN, as its security officer may. */
  setPin(pin: string): void;
  /** Does something in the token past Keyhold, logged in. */
  inToken<T>(work: (pkcs11: TestPkcs11, session: Handle) => T): T;
}

/** SoftHSM, pkcs11js and a compiler, or null where one is missing; in CI that is a failure. */
export function startSoftHsm(t: TestContext): SoftHsm | null {
  const real = MODULES.find((path) => existsSync(path));
  const includes = pkcs11jsFolder();
  const there = spawnSync('softhsm2-util', ['--version']).status === 0 && spawnSync('cc', ['--version']).status === 0;
  const found = have(t, 'pkcs11js, SoftHSM or a C compiler', there && real !== undefined && includes !== null);
  if (!found || real === undefined || includes === null) return null;
  const folder = mkdtempSync(join(tmpdir(), 'keyhold-hsm-'));
  const file = (name: string) => join(folder, name);
  mkdirSync(file('tokens'));
  writeFileSync(file('softhsm2.conf'), `directories.tokendir = ${file('tokens')}\nlog.level = ERROR\n`);
  const environment = { SOFTHSM2_CONF: file('softhsm2.conf'), KEYHOLD_TEST_HSM_FAULT: file('fault') };
  const [pin, soPin] = [newPin(), newPin()];
  const tokenLabel = 'keyhold test';
  must(
    'softhsm2-util',
    ['--init-token', '--free', '--label', tokenLabel, '--pin', pin, '--so-pin', soPin],
    environment,
  );
  writeFileSync(file('pin'), `${pin}\n`, { mode: 0o600 });
  const module = file('unreliable-hsm.so');
  must('cc', ['-shared', '-fPIC', `-DREAL_MODULE="${real}"`, `-I${join(includes, 'includes')}`, '-o', module, SOURCE]);
  return {
    ...{ module, tokenLabel, pin, pinFile: file('pin'), environment },
    fail: (fault) => writeFileSync(file('fault'), fault ?? ''),
    takeAway: () => {
      renameSync(file('tokens'), file('away'));
      mkdirSync(file('tokens'));
    },
    bringBack: () => {
      rmdirSync(file('tokens'));
      renameSync(file('away'), file('tokens'));
    },
    setPin: (next) =>
      inToken(environment, { module, tokenLabel }, { kind: CKU_SO, pin: soPin }, (pkcs11, session) => {
        pkcs11.C_InitPIN(session, next);
      }),
    inToken: (work) => inToken(environment, { module, tokenLabel }, { kind: CK.CKU_USER, pin }, work),
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}

export function newPin(): string {
  return String(randomInt(1e9, 1e10));
}

/** In this process, whose environment the module reads; it is let go of again. */
function inToken<T>(
  environment: Readonly<Record<string, string>>,
  { module, tokenLabel }: Pick<SoftHsm, 'module' | 'tokenLabel'>,
  user: { readonly kind: number; readonly pin: string },
  work: (pkcs11: TestPkcs11, session: Handle) => T,
): T {
  Object.assign(process.env, environment);
  const pkcs11 = loadPkcs11js() as TestPkcs11;
  pkcs11.load(module);
  pkcs11.C_Initialize();
  try {
    const slot = pkcs11.C_GetSlotList(true).find((one) => pkcs11.C_GetTokenInfo(one).label.trimEnd() === tokenLabel);
    assert.ok(slot);
    const session = pkcs11.C_OpenSession(slot, CK.CKF_SERIAL_SESSION | CK.CKF_RW_SESSION);
    pkcs11.C_Login(session, user.kind, user.pin);
    return work(pkcs11, session);
  } finally {
    pkcs11.C_Finalize();
    pkcs11.close();
  }
}

/** What of PKCS#11 is used by tests alone. */
export interface TestPkcs11 extends Pkcs11 {
  C_InitPIN(session: Handle, pin: string): void;
  C_DestroyObject(session: Handle, object: Handle): void;
  close(): void;
}

function pkcs11jsFolder(): string | null {
  try {
    return dirname(createRequire(import.meta.url).resolve('pkcs11js'));
  } catch {
    return null;
  }
}

function must(program: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): string {
  const options = { encoding: 'utf8', env: { PATH: process.env['PATH'] ?? '', ...env } } as const;
  const { status, stdout, stderr } = spawnSync(program, [...args], options);
  assert.equal(status, 0, `${program}: ${stdout}${stderr}`);
  return stdout;
}
