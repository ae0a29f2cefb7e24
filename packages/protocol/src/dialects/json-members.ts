/**
 * The members of a JSON object, name to the text of its value as it stands; null where it is no object, or has a name
 * twice at its top: parsers differ on which of the two counts (RFC 8259 §4), and the server behind has its own.
 */
export function jsonMembers(text: string): ReadonlyMap<string, string> | null {
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) return null;
  } catch {
    return null;
  }
  const members = new Map<string, string>();
  let depth = 0;
  let name: string | null = null;
  let value = '';
  // The grammar was checked above, so that strings, structure and everything else are all there is to tell apart.
  for (const [token] of text.matchAll(/"(?:[^"\\]+|\\.)*"|[{}[\],:]|[^\s"{}[\],:]+/g)) {
    if (token === '}' || token === ']') depth--;
    const isEnd = depth === 0 || (depth === 1 && token === ',');
    if (isEnd && name !== null) {
      if (members.has(name)) return null;
      members.set(name, value);
      name = null;
    } else if (depth === 1 && name === null && token.startsWith('"')) {
      name = JSON.parse(token) as string;
      value = '';
    } else if (name !== null && !(depth === 1 && token === ':')) value += token;
    if (token === '{' || token === '[') depth++;
  }
  return members;
}

/** The text of a member that is a string, undefined where it is missing; null where it is something else. */
export function stringMember(members: ReadonlyMap<string, string>, name: string): string | undefined | null {
  const text = members.get(name);
  if (text === undefined) return undefined;
  return text.startsWith('"') ? (JSON.parse(text) as string) : null;
}
