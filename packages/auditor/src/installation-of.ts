const PREFIX = 'keyhold/';

/** Of which installation a log is by its name; null where its name does not say so. */
export function installationOf(origin: string): string | null {
  return origin.startsWith(PREFIX) ? origin.slice(PREFIX.length) : null;
}

/** What is wrong with entries of `installation` in a log of that name; null where nothing is. */
export function compareToOrigin(installation: string, origin: string): string | null {
  const own = installationOf(origin);
  return own === null || own === installation
    ? null
    : `what is said here is of the installation "${installation}", and the log "${origin}" is of another`;
}
