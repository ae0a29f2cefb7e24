/** Preloaded into measured processes with `--import`: answers how much CPU time the process has used. */
process.on('message', (message: unknown) => {
  if ((message as { ask?: string } | null)?.ask === 'cpu') process.send?.({ answer: process.cpuUsage() });
});
