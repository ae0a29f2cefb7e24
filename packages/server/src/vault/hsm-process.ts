import { type HsmAnswer, type HsmCall, HsmError } from './hsm-call.ts';
import { runHsmCall } from './hsm-session.ts';
import { loadPkcs11js, type Pkcs11 } from './pkcs11-interface.ts';

// The process that talks to an HSM: one call, one answer, and it ends. What the maker's library does to a process, such
// as not to come back, it does to this one (docs/decisions/0015-pkcs11-seal.md).

process.once('message', (call: HsmCall) => {
  let pkcs11: Pkcs11 | null = null;
  const answer = (): HsmAnswer => {
    try {
      pkcs11 = loadPkcs11js();
      return { bytes: runHsmCall(pkcs11, call) };
    } catch (error) {
      if (error instanceof HsmError) return { failed: error.failed, detail: error.message };
      return { failed: 'HSM_UNAVAILABLE', detail: `The call to the HSM failed: ${(error as Error).name}.` };
    }
  };
  // The answer is out before the library cleans up: some of them crash over that.
  process.send?.(answer(), undefined, undefined, () => {
    try {
      pkcs11?.C_Finalize();
    } catch {
      // It was not initialised, or the HSM is gone; the process ends either way.
    }
    process.exit();
  });
});
