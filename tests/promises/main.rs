//! The promises of the contract, on a real Kafka with the real binary: one file each. They are modules of one binary,
//! so that librdkafka and RocksDB are linked once and one broker serves all.

#![allow(missing_docs, reason = "tests")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
#![allow(clippy::print_stdout, reason = "what a promise measured, for whoever looks")]

mod a_changed_policy_reaches_stored_state;
mod a_clean_stop_leaves_a_warm_store;
mod a_clock_that_steps_opens_no_gate;
mod a_damaged_store_is_restored;
mod a_dead_letter_can_be_put_back;
mod a_decision_can_be_certified_later_and_elsewhere;
mod a_gate_answers_only_once_it_has_read_all;
mod a_gate_believes_only_what_was_committed;
mod a_gate_is_asked_over_https;
mod a_gate_reads_and_records_by_the_registry;
mod a_gate_reads_partitions_that_are_added;
mod a_gate_restarts_from_its_copy;
mod a_gate_survives_compaction;
mod a_gate_that_stops_answers_what_it_was_asked;
mod a_gate_with_a_full_disk_waits_for_room;
mod a_gate_without_kafka_records_until_it_cannot;
mod a_kill_loses_nothing_and_repeats_nothing;
mod a_killed_gate_has_recorded_what_it_answered;
mod a_newer_format_is_refused;
mod a_poison_record_is_a_dead_letter;
mod a_policy_is_taken_up_whole_or_not_at_all;
mod a_review_is_resolved_once;
mod a_stale_gate_fails_closed;
mod a_store_of_another_group_is_refused;
mod a_warm_copy_takes_over;
mod a_wiped_disk_is_restored;
mod acknowledgements_are_recorded;
mod an_engine_that_stops_makes_its_gates_stale;
mod an_opt_out_becomes_a_deny_at_the_gate;
mod an_opt_out_follows_the_identity_graph;
mod brokers_fail_and_come_back;
mod confluent_records_are_read_by_the_registry;
mod explain_tells_the_cause_chain;
mod instances_come_and_go;
mod instances_share_the_shards_and_one_leaves;
mod instances_with_different_policies_wait_for_each_other;
mod no_identifier_is_in_the_log;
mod overload_is_worked_off_within_bounds;
mod the_final_state_is_the_models;
mod the_network_misbehaves;
mod tls_and_scram_work;
mod topics_are_checked;
mod watermarks_say_how_far_all_has_come;
mod what_is_refused_is_a_dead_letter;
mod zombies_are_fenced;
