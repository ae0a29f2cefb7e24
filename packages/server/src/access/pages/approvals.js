import { asTaken, card, make, plain, timeOf } from './cards.js';
import { call, callConfirmed } from './passkeys.js';

/**
 * What somebody asks others to approve.
 * @param button makes one that does something
 * @param self what a confirmed call is bound to
 * @param again shows the list anew
 */
export async function approvalCard(asked, button, self, again) {
  const { id, byName, method, target, body, digest, place, reason, needed, given, isOwn, state, expiresAt } = asked;
  const what = `${method} ${target}`;
  // Whoever approved it once more is still one.
  const approved = new Set(given.filter(({ verdict }) => verdict === 'approve').map(({ by }) => by)).size;
  const lines = [
    make('h3', what),
    make('p', `${isOwn ? 'You' : byName}, for ${place}: “${reason}”`),
    ...(body === '' ? [] : [make('pre', asTaken(body))]),
    ...(await differences(asked)),
    `${approved} of ${needed} approved. ${state === 'waiting' ? `Waits until ${timeOf(expiresAt)}.` : `It is ${state}.`}`,
    ...given.map((one) => `${one.byName}: ${one.verdict === 'approve' ? 'approved' : 'denied'}, “${one.reason}”`),
  ];
  if (state !== 'waiting') return card(lines);
  const why = make('input', '', { id: `why-${id}`, maxLength: 200, required: true, autocomplete: 'off' });
  const field = document.createElement('div');
  field.append(make('label', isOwn ? 'Why you withdraw it' : 'Why', { htmlFor: why.id }), why);
  const say = async (verb, told, send) => {
    const said = why.value.trim();
    if (said === '') {
      why.focus();
      return 'Say why: whoever reviews it reads that.';
    }
    await send(`/v1/approvals/${id}/${verb}`, said);
    await again();
    return told;
  };
  const deny = button(isOwn ? 'Withdraw' : 'Deny', what, () =>
    say('deny', 'It is not done.', (path, said) => call('POST', path, { reason: said })),
  );
  if (isOwn) return card([...lines, field], deny);
  const approve = button('Approve', what, () =>
    say('approve', 'Approved: just this, once.', (path, said) =>
      callConfirmed('POST', path, { digest, reason: said }, self()),
    ),
  );
  approve.className = 'main';
  return card([...lines, field], approve, deny);
}

/** What would be other than now, where there is something now. */
async function differences({ method, target, body, state }) {
  if (state !== 'waiting' || body === '' || (method !== 'PATCH' && method !== 'PUT')) return [];
  const now = await nowAt(target);
  if (now === null) return [make('p', 'What is there now could not be read.')];
  const wanted = JSON.parse(body);
  // Of settings, what is left out is unset.
  const names = new Set([...Object.keys(wanted), ...(SETTINGS.test(target) ? Object.keys(now) : [])]);
  const lineOf = (sign, name, from) => (isUnset(from[name]) ? [] : [`${sign} ${name}: ${plain(from[name], 0)}`]);
  const changed = [...names]
    .map((name) => [lineOf('-', name, now).join(), lineOf('+', name, wanted).join()])
    .filter(([before, after]) => before.slice(1) !== after.slice(1));
  const text = changed.flat().filter((line) => line !== '');
  const title = make('p', changed.length === 0 ? 'It changes nothing that is shown here.' : 'Now (−) and then (+):');
  return changed.length === 0 ? [title] : [title, make('pre', text.join('\n'), { className: 'change' })];
}

const SETTINGS = /\/(?:permissions\/[^/]+|rules|signing)$/;
const isUnset = (value) => value === undefined || value === null || (Array.isArray(value) && value.length === 0);

/** What is shown in a list alone, and by which of its fields it is found there. */
const LISTED = [
  [/^(\/v1\/(?:policies|custom-roles))\/([a-z0-9-]+)$/, 'name'],
  [/^(\/v1\/projects\/[^/]+\/environments\/[^/]+\/permissions)\/([^/]+)$/, 'permission'],
];

/** What is there now; null where it can't be read so. */
async function nowAt(target) {
  try {
    for (const [pattern, by] of LISTED) {
      const [, list, wanted] = pattern.exec(target) ?? [];
      if (list === undefined) continue;
      const { items, nextCursor } = await call('GET', `${list}?limit=100`);
      const { [by]: _name, ...found } = items.find((one) => one[by] === decodeURIComponent(wanted)) ?? {};
      return nextCursor !== null && Object.keys(found).length === 0 ? null : found;
    }
    const found = await call('GET', target);
    return found.key ?? found.secret ?? found;
  } catch {
    return null;
  }
}
