import { CLIENT_IP_LENGTHS, DESTINATION_LENGTHS, MAX_SIGNED_BODY_BYTES } from '@keyhold/protocol/operations/verify';
import { TOTP_CODE } from '@keyhold/protocol/totp';
import type { Verdict, VerificationRequest } from '@keyhold/protocol/verdict';
import type { createVerifierClient } from './client.ts';
import { KeyholdError } from './keyhold-error.ts';

/**
 * A verifier client as a guard takes it: the same call as an embedded verifier's `verify`.
 * @throws (from the call) KeyholdError where there is no verdict; BODY_TOO_LARGE for a request of more than a verifier
 * process reads, which is its client's doing
 */
export function verifyRemotely(client: ReturnType<typeof createVerifierClient>) {
  return async (asked: VerificationRequest): Promise<Verdict> => {
    const { request, ...rest } = withoutUnreadable(asked);
    if ((request?.body?.length ?? 0) > MAX_SIGNED_BODY_BYTES) throw tooLarge();
    const body = request === undefined || request.body === null ? null : toBase64(request.body);
    const input = { ...rest, ...(request === undefined ? {} : { request: { ...request, body } }) };
    try {
      return (await client.verify(input as unknown as Parameters<typeof client.verify>[0])) as Verdict;
    } catch (error) {
      if (isClients(error))
        return { valid: false, code: 'MALFORMED', reason: `the verifier did not read it: ${error}` };
      throw error;
    }
  };
}

/**
 * No address book, network or factor has what a verifier process would not even read: an embedded verifier refuses the
 * request by its rules, and so does one that hears nothing of it. Sent, the whole call would fail.
 */
function withoutUnreadable(request: VerificationRequest): VerificationRequest {
  const { destination, clientIp, secondFactor, ...rest } = request;
  return {
    ...rest,
    ...(isWithin(destination, DESTINATION_LENGTHS) ? { destination } : {}),
    ...(isWithin(clientIp, CLIENT_IP_LENGTHS) ? { clientIp } : {}),
    ...(secondFactor !== undefined && TOTP_CODE.test(secondFactor.otp) ? { secondFactor } : {}),
  };
}

function isWithin(text: string | undefined, { minLength, maxLength }: typeof DESTINATION_LENGTHS): boolean {
  // Nor such text at all (`findBadText` of the server).
  if (text === undefined || text.includes('\0') || !text.isWellFormed()) return false;
  const { length } = [...text];
  return length >= minLength && length <= maxLength;
}

function tooLarge(): KeyholdError {
  const detail = `The body has more than the ${MAX_SIGNED_BODY_BYTES} bytes that a verifier process reads.`;
  return new KeyholdError({ status: 413, code: 'BODY_TOO_LARGE', detail });
}

/** Text that none reads: the mistake is that of whoever sent it, and no verifier is at fault. */
function isClients(error: unknown): boolean {
  if (!(error instanceof KeyholdError)) return false;
  const { code, field } = error;
  return code === 'INVALID_INPUT' && /^\/(?:key|request)(?:\/|$)/.test(field ?? '');
}

function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}
