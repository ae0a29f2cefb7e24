import { createHash } from 'node:crypto';

/** Takes what waits, when the button is pressed and not before. */
const SCRIPT = `
const token = location.hash.slice(1);
const [button, output, note] = ['take', 'content', 'note'].map((id) => document.getElementById(id));
history.replaceState(null, '', location.pathname);
if (token === '') {
  button.disabled = true;
  note.textContent = 'This address carries no token: open the whole link.';
}
button.addEventListener('click', async () => {
  button.disabled = true;
  note.textContent = 'One moment.';
  try {
    const response = await fetch('/v1/deliveries/take', { method: 'POST', headers: { authorization: 'Bearer ' + token } });
    const answer = await response.json();
    if (response.ok) {
      output.textContent = typeof answer.content === 'string' ? answer.content : JSON.stringify(answer.content, null, 2);
      output.hidden = false;
      output.focus();
      note.textContent = 'Copy it now. It was shown this once; this page and the link show it no more.';
    } else {
      note.textContent = answer.code === 'DELIVERY_GONE'
        ? 'Nothing waits here: it was taken already, or its time is over. If that was not you, tell whoever sent the link at once.'
        : answer.title + ' ' + answer.detail;
      if (answer.code !== 'DELIVERY_GONE') button.disabled = false;
    }
  } catch {
    note.textContent = 'No answer from the server. Try again.';
    button.disabled = false;
  }
});
`;

const STYLE = `
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 40rem; margin: 12vh auto; padding: 0 1rem; }
button { font: inherit; padding: .6rem 1.2rem; border-radius: .4rem; border: 1px solid; cursor: pointer; }
button:disabled { opacity: .6; cursor: default; }
pre { padding: 1rem; border: 1px solid; border-radius: .4rem; overflow-wrap: anywhere; white-space: pre-wrap; user-select: all; }
`;

const hashOf = (text: string) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

export const ONCE_CSP = [
  "default-src 'none'",
  `script-src ${hashOf(SCRIPT)}`,
  `style-src ${hashOf(STYLE)}`,
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

export const ONCE_PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>A secret for you · Keyhold</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>A secret for you</h1>
<p>It can be shown once. Have the place ready where you will keep it, then press the button.</p>
<p><button id="take" type="button">Show it, this once</button></p>
<pre id="content" tabindex="-1" aria-label="The secret" hidden></pre>
<p id="note" role="status" aria-live="polite"></p>
</main>
<script>${SCRIPT}</script>
</body>
</html>
`;
