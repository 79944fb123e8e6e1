//! The promises, each with tests named after it.

mod journey;
mod p10_ours_only;
mod p12_healthy;
mod p1_approved;
mod p1_break_glass;
mod p1_checklist;
mod p1_evidence;
mod p1_people;
mod p1_release;
mod p1_report;
mod p2_away;
mod p2_fenced;
mod p2_one_at_a_time;
mod p2_restored_store;
mod p3_late_lists;
mod p3_once;
mod p4_alive;
mod p4_asleep;
mod p4_left_alone;
mod p5_back_again;
mod p5_put_back;
mod p6_kept_from_looking;
mod p7_no_request_lost;
mod p8_anchored;
mod p8_audit;
mod p8_journal;
