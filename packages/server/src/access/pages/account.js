import { approvalCard } from './approvals.js';
import { showBreakGlass } from './break-glass.js';
import { asTaken, card, make, timeOf } from './cards.js';
import { call, callConfirmed, confirmationOver, createPasskey, doing } from './passkeys.js';
import { askCode, showPassword, watchPassword } from './password-part.js';

const byId = (id) => document.getElementById(id);
const note = byId('note');
const PENDING_EVERY_MS = 2_000;
/** Others' requests are looked at less often. */
const APPROVALS_EVERY = 5;
const MAX_APPROVALS = 20;

/** What every confirmed call is bound to. */
let self = {
  person: '',
  session: '',
  rpId: '',
  passkeys: [],
  firstPasskey: false,
  providers: [],
  password: null,
  askCode,
};

function button(label, about, work) {
  const made = make('button', label, { type: 'button', ariaLabel: `${label}: ${about}` });
  made.addEventListener('click', () => doing(made, note, work));
  return made;
}

async function show() {
  const { person, roles, passkeys, sessions, rpId, password, ...rest } = await call('GET', '/v1/session');
  const { providers, firstPasskey } = rest;
  const session = sessions.find(({ current }) => current).id;
  const ids = passkeys.map(({ credentialId }) => credentialId);
  self = { person: person.id, session, rpId, passkeys: ids, providers, firstPasskey, password, askCode };
  byId('who').textContent = person.name;
  byId('roles').replaceChildren(
    ...roles.map(({ role, project, environment, expiresAt, reason }) => {
      const until = expiresAt === null ? '' : `, until ${timeOf(expiresAt)}`;
      return card([`${role}, ${environment ?? project ?? 'whole installation'}${until}`, reason]);
    }),
  );
  if (roles.length === 0) byId('roles').replaceChildren(card(['None: ask an administrator.']));
  byId('passkeys').replaceChildren(...passkeys.map((passkey) => passkeyCard(passkey, passkeys.length > 1)));
  if (passkeys.length === 0) {
    byId('passkeys').replaceChildren(card([password === null ? 'None yet: what is critical takes one.' : 'None yet.']));
    byId('passkey-label').textContent = 'Name of your first passkey';
    byId('passkey-hint').textContent =
      password === null
        ? 'You may be asked to show at your provider once more who you are.'
        : 'You confirm it with your app. Your password ends with it, and you sign in with the passkey.';
  }
  byId('sessions').replaceChildren(...sessions.map(sessionCard));
  if (password !== null) showPassword(password, button, () => self, show);
  byId('providers-part').hidden = providers.length === 0;
  byId('providers').replaceChildren(...providers.map(providerCard));
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

function providerCard({ name, linked, began }) {
  const lines = [name, linked ? `You are known there${began ? ', and signed in by it' : ''}` : 'Not linked with you'];
  // Linking takes a passkey, as all that lets somebody in does.
  if (linked || self.passkeys.length === 0) return card(lines);
  const link = button('Link', name, async () => {
    const { path } = await callConfirmed('POST', '/v1/session/identities', { name }, self);
    location.assign(path);
    return `Show at ${name} who you are.`;
  });
  return card(lines, link);
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

function pendingCard(asked) {
  const { id, method, target, body, from, askedAt } = asked;
  const what = `${method} ${target}`;
  const confirm = button('Confirm', what, async () => {
    await call('POST', `/v1/confirmations/${id}`, await confirmationOver(asked, self));
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

const rankOf = ({ state, isOwn }) => (state === 'waiting' ? 0 : 2) + (isOwn ? 1 : 0);

let shownApprovals = '';

async function showApprovals() {
  const { items } = await call('GET', '/v1/approvals');
  // What waits for him comes first.
  const open = items.toSorted((a, b) => rankOf(a) - rankOf(b)).slice(0, MAX_APPROVALS);
  const seen = JSON.stringify(open);
  if (seen === shownApprovals) return;
  const cards = await Promise.all(open.map((asked) => approvalCard(asked, button, () => self, showApprovals)));
  shownApprovals = seen;
  byId('approvals-part').hidden = open.length === 0;
  byId('approvals').replaceChildren(...cards);
}

byId('add').addEventListener('submit', (event) => {
  event.preventDefault();
  return doing(byId('add-passkey'), note, async () => {
    const name = byId('passkey-name').value.trim();
    if (name === '') return 'Give the new passkey a name.';
    // Whoever came in by a provider has none to confirm his first with: he shows there anew who he is.
    if (self.passkeys.length === 0 && !self.firstPasskey && self.password === null) {
      location.assign(`${self.providers.find(({ began }) => began).path}?fresh=1`);
      return 'Show once more who you are, then add it within five minutes.';
    }
    const { options } = await call('POST', '/v1/passkeys/options', {});
    const response = await createPasskey(options);
    if (self.passkeys.length === 0 && self.password === null) await call('POST', '/v1/passkeys', { name, response });
    else await callConfirmed('POST', '/v1/passkeys', { name, response }, self);
    byId('passkey-name').value = '';
    // What this session began with is over.
    if (self.password !== null) location.assign('/sign-in#PASSKEY_ADDED');
    if (self.password !== null) return 'Sign in with it.';
    await show();
    byId('passkey-label').textContent = 'Name of another passkey';
    byId('passkey-hint').textContent =
      'On another device, it lets you in when this one is lost. You confirm it with one that you have.';
    return `${name} signs you in from now on.`;
  });
});

watchPassword(note, () => self, show);

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

const leave = (error) => {
  if (error.status === 401) location.assign('/sign-in');
};

// A browser that nobody looks at does not keep its session alive.
async function watch(turn = 0) {
  if (document.visibilityState === 'visible') {
    await showPending().catch(leave);
    if (turn % APPROVALS_EVERY === 0) {
      await showApprovals().catch(leave);
      await showBreakGlass(button, self.person).catch(leave);
    }
  }
  setTimeout(watch, PENDING_EVERY_MS, turn + 1);
}

await show().then(
  () => watch(),
  (error) => {
    if (error.status === 401) location.assign('/sign-in');
    else note.textContent = 'No answer from the server. Load the page again.';
  },
);
