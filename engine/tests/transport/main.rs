//! What every transport that keeps topics and progress must do, written once and run on each.
//!
//! ```text
//! contract ─┬─ local    always, each test on a file of its own
//!           └─ kafka    a real Apache Kafka of the tests' own; where there is none they say that they were skipped
//! ```

mod contract;
#[cfg(feature = "kafka")]
mod kafka;
mod local;
#[cfg(feature = "kafka")]
mod retention;

/// Makes a test of each name, for the place that the module's `with_place` hands out.
macro_rules! tests_of_the_contract {
    ($($name:ident),+ $(,)?) => {
        $(
            #[test]
            fn $name() {
                super::with_place(crate::contract::$name);
            }
        )+
    };
}

/// All tests of the contract, for one transport.
macro_rules! the_contract {
    () => {
        mod contract {
            crate::tests_of_the_contract! {
                a_missing_topic_is_named_with_what_there_is,
                records_arrive_as_they_were_added,
                a_reader_resumes_anywhere,
                a_reader_notices_what_is_added_later,
                an_offset_that_is_not_kept_is_an_error,
                partitions_are_read_apart,
                a_commit_brings_rows_and_progress,
                history_is_in_order_and_per_job,
                progress_without_rows_is_kept,
                a_second_writer_fences_the_first,
                a_refused_commit_leaves_nothing,
                readers_see_whole_commits,
                topics_are_made_once,
            }
        }
    };
}

pub(crate) use {tests_of_the_contract, the_contract};
