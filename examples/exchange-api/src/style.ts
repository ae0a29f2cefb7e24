import type { Account } from './exchange.ts';

/** Query, form and JSON body of a request, each name once. */
export type Parameters = Readonly<Record<string, string>>;

/** One route of a style: what it takes, and how its answer is worded. */
export interface Route {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** With `{name}` for a part that is a parameter. */
  readonly path: string;
  readonly permission: string;
  /** Name of the parameter that says where a withdrawal goes. */
  readonly destination?: string;
  answer(account: Account, parameters: Parameters): unknown;
}

/** One exchange's way to speak, over the same few things. */
export interface Style {
  readonly name: string;
  readonly routes: readonly Route[];
}

/** A parameter that has to be there. The text names it: it is the client's own. */
export function needed(parameters: Parameters, name: string): string {
  const value = parameters[name];
  if (value === undefined || value === '') throw new BadParameter(name);
  return value;
}

export function sideOf(text: string): 'buy' | 'sell' {
  const side = text.toLowerCase();
  if (side !== 'buy' && side !== 'sell') throw new BadParameter('side');
  return side;
}

export class BadParameter extends Error {
  override readonly name = 'BadParameter';
  readonly parameter: string;

  constructor(parameter: string) {
    super(`"${parameter}" is missing, or is none`);
    this.parameter = parameter;
  }
}

/** The route of a request, with the parameters that lie in its path. */
export function routeOf(
  styles: readonly Style[],
  method: string,
  path: string,
): { route: Route; own: Parameters } | null {
  for (const route of styles.flatMap(({ routes }) => routes)) {
    const own = route.method === method ? matchPath(route.path, path) : null;
    if (own !== null) return { route, own };
  }
  return null;
}

function matchPath(pattern: string, path: string): Parameters | null {
  const [wanted, given] = [pattern.split('/'), path.split('/')];
  if (wanted.length !== given.length) return null;
  const own: Record<string, string> = {};
  for (const [i, part] of wanted.entries()) {
    const text = given[i] as string;
    if (part.startsWith('{') && text !== '') own[part.slice(1, -1)] = text;
    else if (part !== text) return null;
  }
  return own;
}
