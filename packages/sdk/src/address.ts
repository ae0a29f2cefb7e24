/** Where a path of ours lies; behind a proxy, below one of its own. */
export function addressOf(url: string, path: string): URL {
  const address = new URL(url);
  const below = address.pathname.replace(/\/+$/, '');
  // As one text: as a reference beside a base, a path that begins with two slashes would be another host (RFC 3986 §4.2).
  return new URL(`${address.origin}${below}${path}`);
}
