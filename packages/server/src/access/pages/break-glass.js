import { card, make, timeOf } from './cards.js';
import { call } from './passkeys.js';

const part = document.getElementById('glass-part');
const cards = document.getElementById('glass');
const title = document.title;

/** Whoever may not read it is asked for it once. */
let isHis = true;
let shown = '';

/**
 * Whoever goes on without approvals, or did and was not looked at since: whoever may read that learns it wherever this
 * page is open.
 * @param button makes one that does something
 * @param own id of whoever signed in
 */
export async function showBreakGlass(button, own) {
  if (!isHis) return;
  const found = await call('GET', '/v1/break-glass?limit=100').catch((error) => {
    if (error.status !== 403) throw error;
    isHis = false;
    return { items: [] };
  });
  const now = Date.now();
  const open = found.items
    .filter(({ state }) => state !== 'reviewed')
    .map((one) => ({ ...one, isOpen: one.state === 'open' && Date.parse(one.expiresAt) > now }));
  const seen = JSON.stringify(open);
  // Whoever is writing what he found goes on writing.
  if (seen === shown || cards.contains(document.activeElement)) return;
  shown = seen;
  part.hidden = open.length === 0;
  document.title = open.some(({ isOpen }) => isOpen) ? `! ${title}` : title;
  cards.replaceChildren(...open.map((one) => glassCard(one, button, own, () => showBreakGlass(button, own))));
}

function glassCard({ id, by, byName, reason, isOpen, expiresAt, createdAt }, button, own, again) {
  const who = by === own ? 'You' : byName;
  const until = isOpen ? `until ${timeOf(expiresAt)}` : 'and it is over';
  const lines = [make('h3', `${who}: “${reason}”`), `Without approvals since ${timeOf(createdAt)}, ${until}.`];
  if (isOpen) {
    const close = button('Close', `${who}, ${reason}`, async () => {
      await call('POST', `/v1/break-glass/${id}/close`, {});
      await again();
      return 'It is over: what policies want approvals for waits for them again.';
    });
    close.className = 'main';
    return card(lines, close);
  }
  if (by === own) return card([...lines, 'Somebody else says what he found of it.']);
  const found = make('input', '', { id: `found-${id}`, maxLength: 200, required: true, autocomplete: 'off' });
  const field = document.createElement('div');
  field.append(make('label', 'What you found', { htmlFor: found.id }), found);
  const review = button('Say it', `${who}, ${reason}`, async () => {
    const said = found.value.trim();
    if (said === '') {
      found.focus();
      return 'Say what was done with it, and whether it had to be.';
    }
    await call('POST', `/v1/break-glass/${id}/review`, { review: said });
    await again();
    return 'Reviewed.';
  });
  return card([...lines, field], review);
}
