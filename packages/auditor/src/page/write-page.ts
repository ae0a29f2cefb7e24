import { hash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { embedModules } from './embed-modules.ts';

/** Writes the page to stdout. It is run as a process of its own: taking types out of modules is not quiet in Node. */

const SCRIPT = `
import { verifyFile } from 'entry';
const ids = ['form', 'keys', 'file', 'go', 'result', 'title', 'lists'];
const [form, keys, file, go, result, title, lists] = ids.map((id) => document.getElementById(id));
const section = (heading, lines) => {
  if (lines.length === 0) return [];
  const [h, ul] = [document.createElement('h3'), document.createElement('ul')];
  h.textContent = heading;
  ul.append(...lines.map((line) => Object.assign(document.createElement('li'), { textContent: line + '.' })));
  return [h, ul];
};
async function* piecesOf(blob) {
  const reader = blob.stream().pipeThrough(new TextDecoderStream()).getReader();
  let read = 0;
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    yield next.value;
    read += next.value.length;
    title.textContent = 'Checking… ' + Math.min(99, Math.floor((100 * read) / blob.size)) + ' %';
  }
}
const check = async () => {
  try {
    return await verifyFile(piecesOf(file.files[0]), keys.value);
  } catch (error) {
    return { valid: false, title: 'This file can not be read: ' + error.message, found: [], proven: [], attributed: [] };
  }
};
form.addEventListener('submit', async (event) => {
  event.preventDefault();
  // One at a time: the end of a long check is not to be read as said of a file that was picked since.
  go.disabled = true;
  result.hidden = false;
  result.className = '';
  title.textContent = 'Checking…';
  lists.replaceChildren();
  const outcome = await check();
  go.disabled = false;
  result.className = outcome.valid ? 'valid' : 'invalid';
  title.textContent = outcome.title;
  lists.replaceChildren(
    ...section('What was found', outcome.found),
    ...section('What is proven', outcome.proven),
    ...section('What only rests on the operator’s word', outcome.attributed),
  );
  title.focus();
});
go.disabled = false;
`;

const STYLE = `
:root { color-scheme: light dark; }
body { font: 1rem/1.55 system-ui, sans-serif; max-width: 44rem; margin: 6vh auto; padding: 0 1rem; }
label { display: block; font-weight: 600; margin-top: 1.2rem; }
.hint { margin: .2rem 0 .4rem; opacity: .8; }
textarea { width: 100%; box-sizing: border-box; min-height: 6rem; font: .85rem/1.4 ui-monospace, monospace; }
input, button { font: inherit; }
button { margin-top: 1.2rem; padding: .6rem 1.4rem; border-radius: .4rem; border: 1px solid; cursor: pointer; }
#result { margin-top: 2rem; padding: .2rem 1.2rem; border-left: .4rem solid; overflow-wrap: anywhere; }
#result.valid { border-color: #1a7f37; } #result.invalid { border-color: #cf222e; }
h2:focus { outline: none; }
`;

const hashOf = (text: string) => `'sha256-${hash('sha256', text, 'base64')}'`;

const map = JSON.stringify(embedModules(fileURLToPath(new URL('./verify-file.ts', import.meta.url))));

/** INVARIANT: it talks to nobody, whoever serves it: the browser holds it to that. */
const csp = [
  "default-src 'none'",
  `script-src ${hashOf(map)} ${hashOf(SCRIPT)} data:`,
  `style-src ${hashOf(STYLE)}`,
  "connect-src 'none'",
  "base-uri 'none'",
  "form-action 'none'",
].join('; ');

process.stdout.write(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${csp}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>Check a Keyhold log</title>
<style>${STYLE}</style>
<script type="importmap">${map}</script>
</head>
<body>
<main>
<h1>Check a Keyhold log</h1>
<p>This page checks a receipt or an export of an audit log, here in your browser. It sends nothing anywhere: you can
save it, go offline, and use it then. Better still, take it from the project yourself
(<code>keyhold audit page --output check.html</code>), so that you need not believe whoever runs the log.</p>
<form id="form">
<label for="keys">The keys that you trust</label>
<p class="hint" id="keys-hint">Verifier keys of the log, one a line, or a whole trust policy with witnesses. They have to
reach you another way than the file: keys out of the same hand prove nothing against that hand.</p>
<textarea id="keys" required spellcheck="false" aria-describedby="keys-hint"></textarea>
<label for="file">The file</label>
<p class="hint" id="file-hint">A receipt (<code>.tlog-proof</code>) of one entry, or an export (<code>.jsonl</code>).</p>
<input id="file" type="file" required aria-describedby="file-hint">
<p><button id="go" disabled>Check it</button></p>
</form>
<section id="result" hidden aria-live="polite">
<h2 id="title" tabindex="-1"></h2>
<div id="lists"></div>
</section>
<noscript><p>It takes JavaScript: the check is made by your browser.</p></noscript>
</main>
<script type="module">${SCRIPT}</script>
</body>
</html>
`);
