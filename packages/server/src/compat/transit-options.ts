import { type Refusal, refuse } from '@keyhold/protocol/errors';
import { readBoolean } from './boolean.ts';
import { readDuration } from './duration.ts';
import type { VaultCall } from './vault-call.ts';

export const TYPE = 'aes256-gcm96';

const FLAGS = ['derived', 'convergent_encryption', 'exportable', 'allow_plaintext_backup'];

/** What of a key we can't do is refused, not passed over: a client would rely on it. */
export function unsupportedOption(body: VaultCall['body']): string | null {
  const { type, auto_rotate_period } = body;
  if (type !== undefined && type !== TYPE) {
    const named = typeof type === 'string' ? type.slice(0, 40) : 'of that kind';
    return `type ${named} is not supported; use ${TYPE}`;
  }
  if (auto_rotate_period !== undefined && readDuration(auto_rotate_period) !== 0)
    return 'auto_rotate_period is not supported: rotate the key when it is due';
  const wanted = FLAGS.find((option) => readBoolean(body[option] ?? false) !== false);
  return wanted === undefined ? null : `${wanted} is not supported`;
}

/** What is of one item, and of none where it stands beside a batch; clients send some of it empty. */
const OF_ITEM = ['plaintext', 'ciphertext', 'input', 'associated_data', 'key_version'];

/** What stands beside a batch, where its items would do without it. */
export function besideBatch(body: VaultCall['body']): string | null {
  const beside = OF_ITEM.find((field) => (body[field] ?? '') !== '' && body[field] !== 0);
  return beside === undefined ? null : `${beside} stands beside batch_input: it belongs in each item`;
}

/** The same of one item: both belong to derived keys. */
export function unsupportedInput(item: VaultCall['body']): Refusal | null {
  const wanted = ['context', 'nonce'].find((field) => (item[field] ?? '') !== '');
  return wanted === undefined
    ? null
    : refuse('INVALID_INPUT', `${wanted}: derived keys are not supported`, `/${wanted}`);
}
