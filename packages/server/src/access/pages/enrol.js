import { call, createPasskey, doing } from './passkeys.js';
import { drawQr } from './qr.js';

const ids = ['form', 'secret', 'secret-part', 'name', 'name-part', 'passkey-name', 'enrol', 'note'];
const [form, secret, secretPart, name, namePart, passkeyName, button, note] = ids.map((id) =>
  document.getElementById(id),
);

// The address, and with it the history, keeps nothing of it.
secret.value = location.hash.slice(1);
history.replaceState(null, '', location.pathname);
if (secret.value !== '') secretPart.hidden = true;
else secret.focus();

form.addEventListener('submit', (event) => {
  event.preventDefault();
  return doing(button, note, async () => {
    const token = secret.value.trim();
    if (token === '') return 'Paste your invitation, or the bootstrap token.';
    const headers = { authorization: `Bearer ${token}` };
    const named = namePart.hidden ? {} : { name: name.value.trim() };
    if (named.name === '') return 'Say who you are.';
    const { options, person, first } = await call('POST', '/v1/enrolment/options', named, headers);
    if (first && namePart.hidden) {
      namePart.hidden = false;
      name.focus();
      return 'You will be the first owner. Say who you are, and make the passkey.';
    }
    const response = await createPasskey(options);
    const enrolment = { ...named, person, passkeyName: passkeyName.value.trim(), response };
    await call('POST', '/v1/enrolment', enrolment, headers);
    location.assign('/account');
    return 'Enrolled.';
  });
});

const byId = (id) => document.getElementById(id);
let offered = null;

/** Whoever was invited so may take a password; each visit has an offer of its own. */
async function offerTyping() {
  const headers = { authorization: `Bearer ${secret.value.trim()}` };
  const { totp } = await call('POST', '/v1/enrolment/options', {}, headers);
  offered = totp;
  byId('typing-part').hidden = totp === null;
  if (totp === null) return;
  byId('qr').replaceChildren(drawQr(totp.uri, 'QR code for your authenticator app'));
  byId('app-secret').textContent = totp.secret;
}

byId('typing').addEventListener('submit', (event) => {
  event.preventDefault();
  return doing(byId('enrol-typing'), note, async () => {
    const headers = { authorization: `Bearer ${secret.value.trim()}` };
    const { secret: appSecret, challenge } = offered;
    const totp = { secret: appSecret, challenge, code: byId('otp').value };
    const body = { login: byId('login').value.trim(), password: byId('password').value, totp };
    const { recoveryCodes } = await call('POST', '/v1/enrolment/password', body, headers).catch((error) => {
      // What was offered lasts five minutes, and is used once: another, for the app to take in its place.
      if (error.code === 'CODE_WRONG' && error.at === '/totp/challenge') offerAnew();
      throw error;
    });
    form.hidden = true;
    byId('lead').hidden = true;
    byId('typing-part').hidden = true;
    byId('password').value = '';
    byId('codes-part').hidden = false;
    byId('codes').textContent = recoveryCodes.join('\n');
    byId('codes').focus();
    return 'Enrolled, and signed in.';
  });
});

const offerAnew = () => {
  if (secret.value.trim() !== '') void offerTyping().catch(() => {});
};
secret.addEventListener('change', offerAnew);
offerAnew();
