/** A helper process's end of `child.ts`: says that it is ready, then answers questions by name until it is stopped. */
export function serveQuestions(
  started: object,
  answers: Readonly<Record<string, (question: never) => Promise<unknown> | unknown>>,
): void {
  process.on('message', (question: { ask?: string }) => {
    const answer = answers[question.ask ?? ''];
    if (answer === undefined) return;
    Promise.resolve(answer(question as never)).then((result) => process.send?.({ answer: result }), fail);
  });
  process.on('SIGTERM', () => process.exit(0));
  process.on('disconnect', () => process.exit(0));
  process.send?.(started);
}

function fail(error: unknown): void {
  console.error(error);
  process.exit(1);
}
