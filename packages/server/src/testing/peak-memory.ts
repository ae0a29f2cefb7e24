// Loaded before a program whose memory is measured: says its peak at the end, on standard error.
process.on('exit', () => {
  process.stderr.write(`\npeak ${process.resourceUsage().maxRSS * 1_024}\n`);
});
