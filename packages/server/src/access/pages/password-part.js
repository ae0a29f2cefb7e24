import { card, make } from './cards.js';
import { call, callConfirmed, doing } from './passkeys.js';
import { drawQr } from './qr.js';

const byId = (id) => document.getElementById(id);

/** Asks for the code that the app shows now, for what is named; null where it is left. */
export function askCode(what) {
  const dialog = byId('code-dialog');
  byId('code-what').textContent = what;
  byId('code-input').value = '';
  dialog.returnValue = '';
  dialog.showModal();
  return new Promise((resolve) => {
    const done = () => resolve(dialog.returnValue === 'confirm' ? byId('code-input').value : null);
    dialog.addEventListener('close', done, { once: true });
  });
}

function showCodes(codes) {
  byId('recovery-codes').hidden = false;
  byId('recovery-codes').textContent = codes.join('\n');
  byId('recovery-codes').focus();
}

/** What somebody has who signs in with a password. */
export function showPassword({ login, recoveryCodes, replacesApp }, button, selfNow, show) {
  byId('password-part').hidden = false;
  const lines = [`You sign in as ${login}`, `${recoveryCodes} recovery codes are left`];
  const renew = button('New recovery codes', 'those before are over', async () => {
    const made = await callConfirmed('POST', '/v1/password/recovery-codes', {}, selfNow());
    await show();
    showCodes(made.recoveryCodes);
    return 'Keep them where your password is not: they are shown this once.';
  });
  const replace = button('Another app', 'in the place of the one you have', offerApp);
  const said = replacesApp
    ? [make('p', 'A recovery code signed you in: take another app now.', { className: 'alert' })]
    : [];
  byId('password-cards').replaceChildren(card([...lines, ...said], renew, replace));
}

let offered = null;

async function offerApp() {
  const { totp } = await call('POST', '/v1/password/totp/options', {});
  offered = totp;
  byId('app-form').hidden = false;
  byId('app-qr').replaceChildren(drawQr(totp.uri, 'QR code for your authenticator app'));
  byId('app-secret').textContent = totp.secret;
  byId('app-code').focus();
  return 'Scan it with the new app, then say what that shows.';
}

export function watchPassword(note, selfNow, show) {
  byId('app-form').addEventListener('submit', (event) => {
    event.preventDefault();
    return doing(byId('take-app'), note, async () => {
      // Whether a recovery code just signed him in may have changed.
      await show();
      const self = selfNow();
      const totp = { secret: offered.secret, challenge: offered.challenge, code: byId('app-code').value };
      const path = '/v1/password/totp';
      if (self.password.replacesApp) await call('POST', path, { totp });
      else await callConfirmed('POST', path, { totp }, self);
      byId('app-form').hidden = true;
      byId('app-code').value = '';
      await show();
      return 'From now on the new app counts, and the one before no more.';
    });
  });
  byId('password-form').addEventListener('submit', (event) => {
    event.preventDefault();
    return doing(byId('change-password'), note, async () => {
      const password = byId('new-password').value;
      await callConfirmed('POST', '/v1/password', { password }, selfNow());
      byId('new-password').value = '';
      await show();
      return 'Changed. Your other sessions have ended.';
    });
  });
}
