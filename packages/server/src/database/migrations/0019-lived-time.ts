export const livedTime: readonly string[] = ['CREATE TABLE lived_time (one BIGINT PRIMARY KEY, at BIGINT NOT NULL)'];
