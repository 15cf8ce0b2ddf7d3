//! A job definition: it is right, or all that is wrong with it can be told.
#![no_main]

use engine::plan::Plan;
use jobs::catalogue::Traffic;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Err(problems) = Plan::read(&Traffic, "job.yaml", text) {
        assert!(!problems.list.is_empty() && !problems.to_string().is_empty(), "refused without a reason");
    }
});
