export function make(tag, text, properties = {}) {
  return Object.assign(document.createElement(tag), { textContent: text, ...properties });
}

export const timeOf = (text) => (text === null ? 'never' : new Date(text).toLocaleString());

/** One thing of a list, and what can be done with it. */
export function card(lines, ...buttons) {
  const [item, about] = [document.createElement('li'), document.createElement('div')];
  about.append(
    ...lines.map((line, i) => (line instanceof Node ? line : make('p', line, { className: i > 0 ? 'quiet' : '' }))),
  );
  item.append(about, ...buttons);
  return item;
}

/**
 * A body as the server takes it, and not as it was dressed up: without its spaces, each name once, and no letter that
 * moves others or looks like them.
 */
export function asTaken(body) {
  return body === '' ? '(no body)' : plain(JSON.parse(body));
}

/** A value as text of plain letters. */
export function plain(value, space = 2) {
  const text = JSON.stringify(value, null, space) ?? 'nothing';
  return text.replace(/[^\n -~]/g, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
