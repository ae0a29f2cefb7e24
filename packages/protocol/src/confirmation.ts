/**
 * Field of a request that a command line sends again once its person has confirmed it: the `confirmation` of the refusal
 * that it got first.
 */
export const CONFIRMATION_HEADER = 'keyhold-confirmation';
