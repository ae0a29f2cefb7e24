import type { HttpGuardOptions } from './http-guard.ts';
import { signingOfAnswer } from './answer-signer.ts';
import { headOf } from './fetch-message.ts';

/** Signs an answer where its guard does; it is read whole for that. One that is too long is handed on unsigned. */
export async function signFetchAnswer(
  options: HttpGuardOptions,
  request: Request,
  response: Response,
): Promise<Response> {
  const signing = signingOfAnswer(options, headOf(request));
  if (signing === null) return response;
  const { status, headers } = response;
  const read = await readUpTo(response, signing.maxBytes);
  if (read instanceof Response) return read;
  const fields = signing.fieldsOf({ status, headers: [...headers], body: read });
  // Those of an answer that came from elsewhere cannot be changed.
  const signed = new Response(response.body === null ? null : read, response);
  for (const [name, value] of fields) signed.headers.set(name, value);
  return signed;
}

/** All of a body, or where that is too long the response as it was. */
async function readUpTo(response: Response, maxBytes: number): Promise<Uint8Array<ArrayBuffer> | Response> {
  if (response.body === null) return new Uint8Array(0);
  const reader = (response.body as ReadableStream<Uint8Array<ArrayBuffer>>).getReader();
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    chunks.push(read.value);
    length += read.value.length;
    if (length > maxBytes) return new Response(continued(chunks, reader), response);
  }
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}

function continued(chunks: Uint8Array<ArrayBuffer>[], reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>) {
  return new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      const early = chunks.shift();
      if (early !== undefined) return controller.enqueue(early);
      const { done, value } = await reader.read();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: (reason) => reader.cancel(reason),
  });
}
