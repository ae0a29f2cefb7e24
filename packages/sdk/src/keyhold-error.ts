import type { ErrorCode, Problem } from '@keyhold/protocol/errors';

/** A refusal of the server: RFC 9457 problem details as an exception. */
export class KeyholdError extends Error {
  override readonly name = 'KeyholdError';
  readonly code: ErrorCode | 'UNKNOWN';
  readonly status: number;
  /** What is wrong and how to mend it. */
  readonly detail: string;
  readonly field: string | undefined;
  /** Finds the request in the server's log. */
  readonly instance: string | undefined;
  /** Id of what waits for a person's word. */
  readonly confirmation: string | undefined;
  /** Id of what waits for the approval of others. */
  readonly approval: string | undefined;

  constructor(problem: Partial<Problem> & { readonly status: number }) {
    const { code = 'UNKNOWN', status, title = `HTTP ${status}`, detail = '', field, instance } = problem;
    const { confirmation, approval } = problem;
    super(`${code}: ${detail === '' ? title : detail}${field === undefined ? '' : ` (${field})`}`);
    this.code = code;
    this.status = status;
    this.detail = detail;
    this.field = field;
    this.instance = instance;
    this.confirmation = confirmation;
    this.approval = approval;
  }
}

/** The problem in a response, or as much as can be said without one. */
export async function problemFrom(response: Response): Promise<Partial<Problem> & { readonly status: number }> {
  if (isRedirect(response)) {
    await response.body?.cancel();
    const detail = 'The address answers with a redirect, which is not followed. Name the address of Keyhold itself.';
    return { status: response.status, detail };
  }
  try {
    const problem = (await response.json()) as Partial<Problem>;
    return { ...problem, status: response.status };
  } catch {
    return { status: response.status };
  }
}

/** Browsers tell a status of 0. */
function isRedirect({ type, status }: Response): boolean {
  return type === 'opaqueredirect' || (status >= 300 && status < 400);
}
