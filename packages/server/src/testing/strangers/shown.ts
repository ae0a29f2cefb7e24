/** What somebody is shown who has to judge it for himself. Bytes are as they came, or with one of them flipped. */
export type Shown =
  | { readonly kind: 'checkpoint'; readonly note: Uint8Array }
  | {
      readonly kind: 'inclusion';
      readonly note: Uint8Array;
      readonly index: number;
      readonly bytes: Uint8Array;
      readonly proof: readonly Uint8Array[];
    }
  | {
      readonly kind: 'consistency';
      readonly from: Uint8Array;
      readonly note: Uint8Array;
      readonly proof: readonly Uint8Array[];
    }
  | { readonly kind: 'receipt'; readonly bytes: Uint8Array }
  /** One tile, or one bundle of entries, among the others of the log. */
  | {
      readonly kind: 'tile' | 'bundle';
      readonly note: Uint8Array;
      readonly path: string;
      readonly bytes: Uint8Array;
    }
  /** All of it: every entry, every tile. */
  | { readonly kind: 'log'; readonly note: Uint8Array };

export type Kind = Shown['kind'];

/** A tool that checks logs. */
export interface Judge {
  readonly name: string;
  /** What it looks at. */
  readonly kinds: readonly Kind[];
  /** For each null, or why it is refused. */
  judge(shown: readonly Shown[]): Promise<(string | null)[]>;
}
