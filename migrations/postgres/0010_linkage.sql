-- Linkage by comparison. comparison: tags of single fields, sealed. own_person: the number that its
-- person had when it came, to be had again when it is alone again; 0 for those that came before.
-- linked_to, link_rule, link_rules: the subject that it is tied to, by which rule and which version
-- of the rules; 0 for the oldest of a person, and for ties that were made before.
ALTER TABLE subject ADD COLUMN comparison BYTEA;
ALTER TABLE subject ADD COLUMN own_person BIGINT NOT NULL DEFAULT 0;
ALTER TABLE subject ADD COLUMN linked_to BIGINT NOT NULL DEFAULT 0;
ALTER TABLE subject ADD COLUMN link_rule BIGINT NOT NULL DEFAULT 0;
ALTER TABLE subject ADD COLUMN link_rules BIGINT NOT NULL DEFAULT 0;

GRANT SELECT (comparison, own_person, linked_to, link_rule, link_rules),
    UPDATE (linked_to, link_rule, link_rules) ON subject TO tallygate_intake;
GRANT SELECT (comparison), UPDATE (comparison) ON subject TO tallygate_keys;
