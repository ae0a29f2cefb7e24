import { call, callConfirmed, createPasskey, doing, passkeyOver } from './passkeys.js';

const byId = (id) => document.getElementById(id);
const note = byId('note');
const PENDING_EVERY_MS = 2_000;

/** What every confirmed call is bound to. */
let self = { session: '', rpId: '', passkeys: [] };

function make(tag, text, properties = {}) {
  return Object.assign(document.createElement(tag), { textContent: text, ...properties });
}

const timeOf = (text) => (text === null ? 'never' : new Date(text).toLocaleString());

/** One thing of a list, and what can be done with it. */
function card(lines, ...buttons) {
  const [item, about] = [document.createElement('li'), document.createElement('div')];
  about.append(
    ...lines.map((line, i) => (line instanceof Node ? line : make('p', line, { className: i > 0 ? 'quiet' : '' }))),
  );
  item.append(about, ...buttons);
  return item;
}

function button(label, about, work) {
  const made = make('button', label, { type: 'button', ariaLabel: `${label}: ${about}` });
  made.addEventListener('click', () => doing(made, note, work));
  return made;
}

async function show() {
  const { person, roles, passkeys, sessions, rpId } = await call('GET', '/v1/session');
  const session = sessions.find(({ current }) => current).id;
  self = { session, rpId, passkeys: passkeys.map(({ credentialId }) => credentialId) };
  byId('who').textContent = person.name;
  byId('roles').replaceChildren(
    ...roles.map(({ role, project, environment, expiresAt, reason }) => {
      const until = expiresAt === null ? '' : `, until ${timeOf(expiresAt)}`;
      return card([`${role}, ${environment ?? project ?? 'whole installation'}${until}`, reason]);
    }),
  );
  if (roles.length === 0) byId('roles').replaceChildren(card(['None: ask an administrator.']));
  byId('passkeys').replaceChildren(...passkeys.map((passkey) => passkeyCard(passkey, passkeys.length > 1)));
  byId('sessions').replaceChildren(...sessions.map(sessionCard));
}

function passkeyCard({ id, name, createdAt, lastUsedAt }, canGo) {
  const lines = [name, `Made ${timeOf(createdAt)}, last used ${timeOf(lastUsedAt)}`];
  if (!canGo) return card(lines);
  const remove = button('Remove', name, async () => {
    await callConfirmed('DELETE', `/v1/passkeys/${id}`, undefined, self);
    await show();
    return `${name} signs nobody in any more.`;
  });
  return card(lines, remove);
}

function sessionCard({ id, kind, current, createdAt, lastUsedAt, lastUsedFrom }) {
  const what = kind === 'cli' ? 'Command line' : 'Browser';
  const from = lastUsedFrom === null ? '' : ` from ${lastUsedFrom}`;
  const lines = [
    `${what}${current ? ', this one' : ''}`,
    `Since ${timeOf(createdAt)}, last used ${timeOf(lastUsedAt)}${from}`,
  ];
  if (current) return card(lines);
  const end = button('End', `${what} since ${timeOf(createdAt)}`, async () => {
    await call('DELETE', `/v1/sessions/${id}`, {});
    await show();
    return 'That session has ended.';
  });
  return card(lines, end);
}

let shownPending = '';

/** Whatever waits: what is confirmed is the digest of just these bytes. */
async function showPending() {
  const { items } = await call('GET', '/v1/confirmations');
  const ids = items.map(({ id }) => id).join();
  if (ids === shownPending) return;
  shownPending = ids;
  byId('pending-part').hidden = items.length === 0;
  byId('pending').replaceChildren(...items.map(pendingCard));
}

/**
 * A body as the server takes it, and not as it was dressed up: without its spaces, each name once, and no letter that
 * moves others or looks like them.
 */
function asTaken(body) {
  if (body === '') return '(no body)';
  const text = JSON.stringify(JSON.parse(body), null, 2);
  return text.replace(/[^\n -~]/g, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

function pendingCard(asked) {
  const { id, method, target, body, from, askedAt } = asked;
  const what = `${method} ${target}`;
  const confirm = button('Confirm', what, async () => {
    const passkey = await passkeyOver(asked, self);
    await call('POST', `/v1/confirmations/${id}`, { passkey });
    await showPending();
    return 'Confirmed: the command line goes on.';
  });
  confirm.className = 'main';
  const discard = button('Discard', what, async () => {
    await call('DELETE', `/v1/confirmations/${id}`, {});
    await showPending();
    return 'Discarded: nothing was done.';
  });
  const lines = [make('h3', what), make('pre', asTaken(body)), `Asked ${timeOf(askedAt)} from ${from}`];
  return card(lines, confirm, discard);
}

byId('add').addEventListener('submit', (event) => {
  event.preventDefault();
  return doing(byId('add-passkey'), note, async () => {
    const name = byId('passkey-name').value.trim();
    if (name === '') return 'Give the new passkey a name.';
    const { options } = await call('POST', '/v1/passkeys/options', {});
    const response = await createPasskey(options);
    await callConfirmed('POST', '/v1/passkeys', { name, response }, self);
    byId('passkey-name').value = '';
    await show();
    return `${name} signs you in from now on.`;
  });
});

byId('make-code').addEventListener('click', () =>
  doing(byId('make-code'), note, async () => {
    const { secret } = await callConfirmed('POST', '/v1/device-codes', {}, self);
    const code = byId('code');
    code.hidden = false;
    code.textContent = secret;
    code.focus();
    return 'Paste the code within five minutes. It is shown this once.';
  }),
);

byId('sign-out').addEventListener('click', () =>
  doing(byId('sign-out'), note, async () => {
    await call('POST', '/v1/sign-out', {});
    location.assign('/sign-in');
  }),
);

// A browser that nobody looks at does not keep its session alive.
async function watch() {
  if (document.visibilityState === 'visible') {
    await showPending().catch((error) => {
      if (error.status === 401) location.assign('/sign-in');
    });
  }
  setTimeout(watch, PENDING_EVERY_MS);
}

await show().then(watch, (error) => {
  if (error.status === 401) location.assign('/sign-in');
  else note.textContent = 'No answer from the server. Load the page again.';
});
