/** Where a path of ours lies; behind a proxy, below one of its own. */
export function addressOf(url: string, path: string): URL {
  const address = new URL(url);
  const below = address.pathname.replace(/\/+$/, '');
  return new URL(`${below}${path}`, address.origin);
}
