/** Written through `scratch`: no facts, no entries. */
export interface ScratchTables {
  /** Personal parts of entries: written with their entry, moved under another key and erased without one of their own. */
  entry_sides: {
    readonly sequence: number;
    /** Of the key that it lies under: a subject's, or a month's while sealed; null: in the clear, of earlier versions. */
    readonly key_id: string | null;
    readonly salt: string;
    readonly body: string;
  };
  /** `token.sequence`: by which a value is found in personal parts, for whoever has the key. */
  entry_tokens: { readonly id: string };
  /** How far each export has come. */
  log_export_progress: {
    readonly export_id: string;
    /** The newest entry that the target has. */
    readonly sequence: number;
    /** The last entry of the batch that is on its way to a webhook, so that it is the same when it is sent again. */
    readonly sending: number | null;
    readonly failures: number;
    readonly last_error: string | null;
    readonly delivered_at: number | null;
  };
  /** Full tiles of the log; derived from the entries. */
  log_tiles: {
    /** Level and number in one text, in order. */
    readonly id: string;
    readonly level: number;
    readonly number: number;
    /** Hex. */
    readonly hashes: string;
    /** Roots of the subtrees of each 16 hashes, hex; null where it was kept before there were any. */
    readonly subtrees: string | null;
  };
  /** The newest checkpoint that was signed, and the newest that enough witnesses saw. */
  log_checkpoints: { readonly kind: 'signed' | 'witnessed'; readonly size: number; readonly note: string };
  /** How far the time has come that processes of this installation ran for: one row, epoch milliseconds. */
  lived_time: { readonly one: number; readonly at: number };
  /** What somebody knew who was off-boarded: `offb_…/0000001`, and a line of the list that its entry commits to. */
  exposures: { readonly id: string; readonly line: string };
  lease_holders: {
    readonly verifier_id: string;
    readonly environment_id: string;
    readonly lease_seconds: number;
    readonly token_id: string;
  };
  credential_usage: {
    readonly credential_id: string;
    readonly uses: number;
    readonly last_used_at: number;
    readonly last_used_from: string | null;
  };
  quota_usage: { readonly key_id: string; readonly period_start: number; readonly used: number };
  /** What verifiers hold of the units of a quota's period, those that are gone too. */
  quota_slices: {
    readonly key_id: string;
    readonly period_start: number;
    readonly verifier_id: string;
    readonly granted: number;
    readonly used: number;
    /** Of the verifier's newest question that counted. */
    readonly turn: number;
  };
  /** Uses of a wrapping key set aside so far, in blocks: never fewer than there were. */
  key_uses: { readonly key_id: string; readonly uses: number };
  /** What was decided, counted by the hour, for a month. */
  decisions: {
    /** Digest of all that makes one apart from another. */
    readonly id: string;
    /** Its beginning, epoch milliseconds. */
    readonly hour: number;
    readonly principal_id: string;
    /** JSON: who asked, as policies saw him, and from where. */
    readonly asked: string;
    readonly action: string;
    readonly project_id: string | null;
    readonly environment_id: string | null;
    readonly secret: string | null;
    readonly allowed: 0 | 1;
    readonly rule: string;
    readonly first_at: number;
    readonly last_at: number;
    readonly count: number;
  };
  session_uses: { readonly session_id: string; readonly last_used_at: number; readonly last_used_from: string };
  /** How often an authenticator says that it signed; 0 of those that don't count. */
  person_passkey_uses: { readonly passkey_id: string; readonly counter: number; readonly last_used_at: number };
  denials: {
    readonly minute: number;
    readonly environment_id: string;
    readonly code: string;
    readonly count: number;
  };
}
