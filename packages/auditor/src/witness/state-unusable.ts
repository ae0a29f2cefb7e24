/** The state folder is not what a witness left there. It says what is wrong; nothing is begun anew in its place. */
export class StateUnusable extends Error {
  override readonly name = 'StateUnusable';
}
