-- Choices: what parties agree to and subjects choose, to the end: amendments, consent as it
-- was known, cases of rights, retention, subject access.

-- PROTOCOLS


-- CONSENT


-- CASES
-- Raised with each case that begins or ends to bind, so that every gateway sees it has to look.
INSERT INTO counter (name, next) VALUES ('cases', 1);


-- RETENTION


-- ACCESS

