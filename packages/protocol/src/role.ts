/**
 * Roles of people, granted at a place: the installation, a project, an environment. `auditor` reads everything but
 * secrets; what each opens stands in the server's `access/authorise.ts`.
 */
export const ROLES = ['owner', 'administrator', 'security-officer', 'developer', 'support', 'auditor'] as const;

export type Role = (typeof ROLES)[number];
