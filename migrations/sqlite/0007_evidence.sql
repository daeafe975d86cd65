-- Evidence: witnesses of the log, the log's years, details under salts, and keys that are
-- replaced and destroyed.

-- WITNESSES
-- (section of the witness work)


-- YEARS
-- (section of the yearly origins)


-- DETAILS
-- (section of the private details)


-- KEYS
-- (section of the key rotation)

