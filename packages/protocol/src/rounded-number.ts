/** Sign, digits and power of ten of a number: the same for all ways to spell it (RFC 8259 §6). */
function decimal(text: string): string {
  const [, sign, whole = '', fraction = '', power] = NUMBER.exec(text) ?? [];
  const digits = (whole + fraction).replace(/^0+/, '');
  let end = digits.length;
  while (digits[end - 1] === '0') end--;
  if (end === 0) return '0';
  return `${sign}${digits.slice(0, end)}e${Number(power ?? 0) - fraction.length + digits.length - end}`;
}

const NUMBER = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([-+]?\d+))?$/;

/** Whether a number would come back as another one than was sent. */
function isRounded(source: string): boolean {
  // Most numbers: a double gives back any 15 digits.
  if (FEW_DIGITS.test(source)) return false;
  const value = Number(source);
  const sent = decimal(source);
  if (sent === decimal(`${value}`)) return false;
  // Integers count something; anything else may be a double that another program wrote with all its digits.
  if (/^-?\d+$/.test(source)) return true;
  const digits = /\d+(?=e)/.exec(sent)?.[0].length ?? 1;
  return digits > DIGITS_OF_DOUBLE || sent !== decimal(value.toPrecision(digits));
}

const FEW_DIGITS = /^-?[\d.]{1,15}(?:[eE][-+]?\d{1,2})?$/;

/** Any double is told from its neighbours by so many. */
const DIGITS_OF_DOUBLE = 17;

/**
 * The place of the first number that would come back from a double as another one: names of fields and indices of items.
 * @param text of a JSON object, known to parse
 * @param member where to look; without it, everywhere
 */
export function findRoundedNumber(text: string, member?: string): readonly (string | number)[] | undefined {
  // Of what is open at this place: the name of the field, or the index of the item.
  const path: (string | number)[] = [];
  let isName = false;
  for (let i = 0; i < text.length; i++) {
    const char = text.charAt(i);
    const last = path.length - 1;
    const name = path[last];
    if (char === '"') {
      const start = i;
      i = endOfString(text, start);
      if (isName) path[last] = JSON.parse(text.slice(start, i + 1));
      isName = false;
    } else if (char === '{') {
      path.push('');
      isName = true;
    } else if (char === '[') path.push(0);
    else if (char === '}' || char === ']') {
      path.pop();
      isName = false;
    } else if (char === ',') {
      if (typeof name === 'number') path[last] = name + 1;
      else isName = true;
    } else if (isOfNumber(text, i) && char !== 'e') {
      const start = i;
      while (isOfNumber(text, i + 1)) i++;
      if ((member === undefined || path[0] === member) && isRounded(text.slice(start, i + 1))) return path;
    }
  }
  return undefined;
}

/** Where the quote is that ends the string that begins here, in text that is known to parse. */
function endOfString(text: string, start: number): number {
  let i = start + 1;
  for (; text[i] !== '"'; i++) if (text[i] === '\\') i++;
  return i;
}

function isOfNumber(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  // Digits, "-", ".", "+", "e", "E".
  return (code >= 48 && code <= 57) || code === 45 || code === 46 || code === 43 || code === 101 || code === 69;
}
