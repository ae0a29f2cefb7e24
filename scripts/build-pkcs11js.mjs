// Builds pkcs11js, which only a `pkcs11` seal needs, and puts it where it is found. It is no dependency: it is C++ that
// has to be compiled, and whoever has no such seal needs no compiler. Plain JavaScript, so that any Node from 20 up can
// run it: what is built uses Node-API, which is the same in all of them.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const VERSION = '2.1.7';
/** As a lock file would hold it: what is compiled here is what was looked at. */
const SHA512 = 'hstUuhkFoISF8BmTVRtaZzbF09WjE39K3gzZzUrI8WtRu4cYl4gakkd06I4Kq36kR/mkwVw2T2y3kHXk6JvuHQ==';
const KEPT = ['package.json', 'LICENSE', 'index.js', 'includes', 'build/Release/pkcs11.node'];

const modules = fileURLToPath(new URL('../node_modules', import.meta.url));
const target = join(modules, 'pkcs11js');
const folder = mkdtempSync(join(tmpdir(), 'keyhold-pkcs11js-'));
try {
  run('npm', ['pack', `pkcs11js@${VERSION}`, '--silent', '--pack-destination', folder], folder);
  const archive = join(folder, `pkcs11js-${VERSION}.tgz`);
  if (createHash('sha512').update(readFileSync(archive)).digest('base64') !== SHA512)
    throw new Error(`the registry gave another pkcs11js ${VERSION} than the one that was looked at`);
  run('tar', ['-xzf', archive, '-C', folder], folder);
  const source = join(folder, 'package');
  // npm brings node-gyp, and says where it is.
  const headers = headersOfNode();
  const nodedir = headers === undefined ? '' : '--nodedir="$KEYHOLD_HEADERS"';
  run('npm', ['exec', '-c', `node "$npm_config_node_gyp" rebuild ${nodedir}`], source, { KEYHOLD_HEADERS: headers });
  rmSync(target, { recursive: true, force: true });
  for (const part of KEPT) cpSync(join(source, part), join(target, part), { recursive: true });
  console.log(`pkcs11js ${VERSION} is in ${target}`);
} catch (error) {
  console.error(`pkcs11js was not built: ${error.message}. It takes npm, make, g++ and python3.`);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** Those that came with Node; without any, node-gyp fetches some. */
function headersOfNode() {
  const ours = join(modules, `node-${process.platform}-${process.arch}`);
  return [ours, dirname(dirname(process.execPath))].find((place) => existsSync(join(place, 'include/node/node_api.h')));
}

function run(program, args, cwd, env = {}) {
  const options = { cwd, env: { ...process.env, ...env }, encoding: 'utf8' };
  const { status, error, stdout, stderr } = spawnSync(program, args, options);
  if (error !== undefined) throw error;
  if (status === 0) return;
  console.error(stdout, stderr);
  throw new Error(`${program} ${args[0]} ended with ${status}`);
}
