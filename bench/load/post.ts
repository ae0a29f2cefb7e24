import { type Agent, request } from 'node:http';

export interface Post {
  readonly url: string;
  readonly token: string;
  /** Comes in place of the token. */
  readonly cookie?: string;
  /** Undefined: a GET. */
  readonly body: string | undefined;
  readonly expectStatus: number;
  /** Text that the answer must contain: a refusal is quick, and would look like speed. */
  readonly expectText: string;
}

/** Posts JSON over a kept connection, or gets. Rejects when the answer is not the expected one. */
export function post(agent: Agent, { url, token, cookie, body, expectStatus, expectText }: Post): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = {
      ...(cookie === undefined ? { authorization: `Bearer ${token}` } : { cookie }),
      ...(body === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
    };
    const sent = request(url, { method: body === undefined ? 'GET' : 'POST', agent, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('error', reject);
      response.on('end', () => {
        if (response.statusCode === expectStatus && text.includes(expectText)) resolve();
        else reject(new Error(`${url} answered ${response.statusCode}: ${text.slice(0, 500)}`));
      });
    });
    sent.on('error', reject);
    sent.end(body);
  });
}
