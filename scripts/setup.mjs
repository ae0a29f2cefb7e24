// Installs what the lock file says, when that is not what lies in node_modules. Plain JavaScript, so that any Node
// from 20 up can run it before anything is installed.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const stampFile = `${root}node_modules/.keyhold-setup`;
// Built here by whoever needs it (build-pkcs11js.mjs). `npm ci` would take it away, and his seal would not open.
const [pkcs11js, kept] = [`${root}node_modules/pkcs11js`, `${root}.pkcs11js.partial`];
const lock = readFileSync(`${root}package-lock.json`);
const stamp = `${createHash('sha256').update(lock).digest('hex')} ${process.platform}-${process.arch}`;

// Where the packages bring no Node of their own, the one that is here has to run TypeScript as it is.
const bringsNode = process.platform === 'linux' && ['x64', 'arm64'].includes(process.arch);
if (!bringsNode && Number(process.versions.node.split('.')[0]) < 24) {
  console.error(
    `Keyhold runs on Node 24 or newer, and this is ${process.versions.node}. On Linux (x64, arm64) it brings its own.`,
  );
  process.exit(1);
}

if (!existsSync(stampFile) || readFileSync(stampFile, 'utf8') !== stamp) {
  rmSync(stampFile, { force: true });
  console.log('Installing dependencies (once, or when package-lock.json changed) …');
  const started = Date.now();
  keepPkcs11js();
  const npm = process.env.npm_execpath;
  const [command, args] = npm === undefined ? ['npm', []] : [process.execPath, [npm]];
  const { status } = spawnSync(command, [...args, 'ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (existsSync(kept) && existsSync(`${root}node_modules`)) renameSync(kept, pkcs11js);
  if (status !== 0) {
    console.error('npm ci failed: see above. With a network or registry problem, try again; nothing else was changed.');
    process.exitCode = 1;
  } else {
    writeFileSync(stampFile, stamp);
    console.log(`Installed in ${((Date.now() - started) / 1000).toFixed(0)} s.\n`);
  }
}

function keepPkcs11js() {
  if (!existsSync(pkcs11js)) return;
  rmSync(kept, { recursive: true, force: true });
  renameSync(pkcs11js, kept);
}
