/** Exit codes, with the words that `keyhold help` and docs/cli.md use for them. */
export const EXIT = { done: 0, refused: 1, usage: 2, unreachable: 3, unauthorised: 4 } as const;

export const EXIT_TEXTS: readonly (readonly [number, string])[] = [
  [EXIT.done, 'done; for verify: the key is valid'],
  [
    EXIT.refused,
    'refused by the server (4xx), one of many too; a key that is not valid, or a log that does not verify',
  ],
  [EXIT.usage, 'wrong usage: nothing was sent; or a file that cannot be read or written'],
  [
    EXIT.unreachable,
    'no answer, a fault of the server (5xx) or its store unavailable; for verify: nobody could decide',
  ],
  [EXIT.unauthorised, 'not authenticated (401) or not allowed (403)'],
];
