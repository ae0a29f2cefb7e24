import { call, doing, showPasskey, toBytes } from './passkeys.js';

const [button, note] = ['sign-in', 'note'].map((id) => document.getElementById(id));

button.addEventListener('click', () =>
  doing(button, note, async () => {
    const { options } = await call('POST', '/v1/sign-in/options', {});
    const response = await showPasskey({ challenge: toBytes(options.challenge), rpId: options.rpId });
    await call('POST', '/v1/sign-in', { response });
    location.assign('/account');
    return 'Signed in.';
  }),
);
