/** Everybody may hold a secret; `expose.ts` is for the few who show one. */
export { Secret } from './expose.ts';
