import { call, doing, showPasskey, toBytes } from './passkeys.js';

const [button, note, providers] = ['sign-in', 'note', 'providers'].map((id) => document.getElementById(id));

/** What a provider's page came back with. */
const WHY = {
  SIGN_IN_REFUSED: 'That provider does not let you in here. Ask an administrator, or use a passkey.',
  TOO_MANY_ATTEMPTS: 'Too many attempts from your network failed. Wait a quarter of an hour.',
  SEALED: 'The installation is sealed: until it is opened, passkeys alone sign in.',
  PASSKEY_ADDED: 'Your passkey is there, and your password is over: sign in with the passkey.',
  STORE_UNAVAILABLE: 'That provider cannot be asked now. Try again in a minute, or use a passkey.',
};

button.addEventListener('click', () =>
  doing(button, note, async () => {
    const { options } = await call('POST', '/v1/sign-in/options', {});
    const response = await showPasskey({ challenge: toBytes(options.challenge), rpId: options.rpId });
    await call('POST', '/v1/sign-in', { response });
    location.assign('/account');
    return 'Signed in.';
  }),
);

const typing = document.getElementById('typing');
typing.addEventListener('submit', (event) => {
  event.preventDefault();
  return doing(document.getElementById('sign-in-typing'), note, async () => {
    const [login, password, code] = ['login', 'password', 'otp'].map((id) => document.getElementById(id));
    const body = { login: login.value.trim(), password: password.value, code: code.value.trim() };
    // A code that was sent is of no use again, whatever came of it.
    code.value = '';
    await call('POST', '/v1/sign-in/password', body);
    password.value = '';
    location.assign('/account');
    return 'Signed in.';
  });
});

async function showProviders() {
  const { items } = await call('GET', '/v1/sign-in/providers');
  providers.hidden = items.length === 0;
  providers.replaceChildren(
    ...items.map(({ name, path }) => {
      const link = document.createElement('a');
      Object.assign(link, { href: path, className: 'button', textContent: `Sign in with ${name}` });
      const item = document.createElement('li');
      item.append(link);
      return item;
    }),
  );
}

const why = location.hash.slice(1);
note.textContent = why === '' ? '' : (WHY[why] ?? WHY.SIGN_IN_REFUSED);
void showProviders().catch(() => {});
