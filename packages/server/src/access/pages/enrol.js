import { call, createPasskey, doing } from './passkeys.js';

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
