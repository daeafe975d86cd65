-- Made from src/store/sharding.rs; a test compares them. See README.md beside this file.
-- Run once, on the coordinator, as the tables' owner, before anything is stored:
--   psql --single-transaction -v ON_ERROR_STOP=1 -f distribute.sql

SELECT create_reference_table('batch');
SELECT create_reference_table('feed');
SELECT create_reference_table('consent');
SELECT create_reference_table('postcode');
SELECT create_reference_table('counted_birth');
SELECT create_reference_table('frozen_batch');
SELECT create_reference_table('erasure');
SELECT create_reference_table('erased');
SELECT create_reference_table('withheld_key');
SELECT create_reference_table('withheld_feed');
SELECT create_reference_table('withheld_record');

SELECT create_distributed_table('event', 'person_id', colocate_with => 'none');
SELECT create_distributed_table('subject', 'subject_id', colocate_with => 'none');
SELECT create_distributed_table('subject_key', 'match_key', colocate_with => 'none');
SELECT create_distributed_table('sent', 'feed_id', colocate_with => 'none');
SELECT create_distributed_table('dropped', 'feed_id', colocate_with => 'sent');
SELECT create_distributed_table('dropped_case', 'feed_id', colocate_with => 'sent');
SELECT create_distributed_table('family_edge', 'event_number', colocate_with => 'none');
SELECT create_distributed_table('withdrawal', 'event_number', colocate_with => 'family_edge');
SELECT create_distributed_table('record_stop', 'event_number', colocate_with => 'family_edge');
SELECT create_distributed_table('taken_late', 'event_number', colocate_with => 'family_edge');
SELECT create_distributed_table('batch_detail', 'batch_id', colocate_with => 'none');
SELECT create_distributed_table('batch_keeping', 'batch_id', colocate_with => 'batch_detail');
