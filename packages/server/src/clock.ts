/** The control plane's only clock is the verifier's: the same interface, so that one simulation drives both. */
export { type Clock, systemClock } from '@keyhold/verifier/clock';
