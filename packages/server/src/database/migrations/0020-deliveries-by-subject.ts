export const deliveriesBySubject: readonly string[] = ['CREATE INDEX deliveries_subject ON deliveries (subject)'];
