/** Bytes held by this process's objects and array buffers, after what nobody holds was collected. */
export function heldBytes(): number {
  if (globalThis.gc === undefined) throw new Error('start it with --expose-gc');
  globalThis.gc();
  globalThis.gc();
  // `external` includes array buffers (Node's documentation of `process.memoryUsage`), so that they count once.
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
