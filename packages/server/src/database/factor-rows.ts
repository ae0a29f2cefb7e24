import type { TotpAlgorithm } from '@keyhold/protocol/totp';
import type { Fact } from './fact.ts';

/** A second factor of a consumer in one environment. */
export interface ConsumerFactorRow extends Fact {
  readonly project_id: string;
  readonly environment_id: string;
  readonly consumer_id: string;
  readonly kind: 'totp' | 'passkey';
  readonly name: string;
  readonly state: 'unconfirmed' | 'active' | 'removed';
  /** Of an app; a passkey's own is beside it. */
  readonly algorithm: TotpAlgorithm | 'passkey';
  /** Time step of the code that confirmed it. */
  readonly used_step: number | null;
  readonly vault_key_id: string | null;
  /** The shared secret. Null once it is removed. */
  readonly envelope: string | null;
  readonly created_at: number;
}

/** What a passkey is verified with. */
export interface PasskeyRow extends Fact {
  readonly project_id: string;
  readonly environment_id: string;
  readonly factor_id: string;
  readonly rp_id: string;
  /** JSON array. */
  readonly origins: string;
  /** base64url; of its enrolment. */
  readonly challenge: string;
  /** COSE number (RFC 9053), as the browser said it. Null, as the others, until a device has answered. */
  readonly algorithm: number | null;
  /** base64url. */
  readonly credential_id: string | null;
  /** COSE_Key, hex. */
  readonly public_key: string | null;
}
