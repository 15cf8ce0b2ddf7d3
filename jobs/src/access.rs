//! Who may do what on `giaolo serve`: the roles, and one table of all routes.

use engine::access::{Policy, Rule, Trail, Unfit};
use engine::plan::Plan;

use crate::catalogue::Traffic;

const VIEWER: &str = "viewer";
const REVIEWER: &str = "reviewer";
const HOTLIST: &str = "hotlist-manager";
const AUTHOR: &str = "job-author";
const AUDITOR: &str = "auditor";
const ADMIN: &str = "admin";

const ALL: &[&str] = &[VIEWER, REVIEWER, HOTLIST, AUTHOR, AUDITOR, ADMIN];
const STAFF: &[&str] = &[AUTHOR, AUDITOR, ADMIN];
const AUTHORS: &[&str] = &[AUTHOR, ADMIN];
/// Who sees traffic.
const WATCH: &[&str] = &[VIEWER, REVIEWER, HOTLIST];
/// Who may ask where a vehicle was, and see to an alert.
const SEARCH: &[&str] = &[VIEWER, REVIEWER];

/// Who may do anything that can take four eyes; what exactly, its own rule says.
const DECIDE: &[&str] = &[HOTLIST, AUTHOR, ADMIN];

/// What a second person can be made to approve of: new jobs and new versions of them.
pub const JOBS: &str = "jobs";
/// What a second person can be made to approve of: plates that are looked for.
pub const LISTING: &str = "hotlist";

/// Jobs read and write what is every centre's, so who changes one must be bound to none. The admin runs the server and sees
/// neither vehicles nor the audit log, which is the auditor's alone.
pub static POLICY: Policy = Policy {
    roles: ALL,
    rules: &[
        rule("GET", "/v1/jobs", ALL, false, Trail::Nothing),
        Rule { four_eyes: Some(JOBS), check: Some(can_be_submitted), ..rule("POST", "/v1/jobs", AUTHORS, true, Trail::Change) },
        rule("GET", "/v1/jobs/{job}", ALL, false, Trail::Nothing),
        rule("DELETE", "/v1/jobs/{job}", AUTHORS, true, Trail::Change),
        rule("GET", "/v1/jobs/{job}/definition", STAFF, false, Trail::Look),
        rule("POST", "/v1/jobs/{job}/pause", AUTHORS, true, Trail::Change),
        rule("POST", "/v1/jobs/{job}/resume", AUTHORS, true, Trail::Change),
        rule("POST", "/v1/plan", AUTHORS, false, Trail::Nothing),
        rule("GET", "/v1/status", ALL, false, Trail::Nothing),
        rule("GET", "/v1/vehicles/{plate}/journeys", SEARCH, false, Trail::Look),
        rule("GET", "/v1/alerts", WATCH, false, Trail::Look),
        rule("GET", "/v1/alerts/events", WATCH, false, Trail::Look),
        rule("GET", "/v1/alerts/{id}", WATCH, false, Trail::Look),
        rule("POST", "/v1/alerts/{id}/review", &[REVIEWER], false, Trail::Change),
        rule("POST", "/v1/alerts/{id}/ack", SEARCH, false, Trail::Change),
        rule("GET", "/v1/hotlist", &[HOTLIST], true, Trail::Look),
        Rule {
            four_eyes: Some(LISTING),
            check: Some(crate::lookup::can_be_listed),
            ..rule("POST", "/v1/hotlist", &[HOTLIST], true, Trail::Change)
        },
        rule("DELETE", "/v1/hotlist/{list}/{plate}", &[HOTLIST], true, Trail::Change),
        rule("GET", "/v1/approvals", DECIDE, false, Trail::Look),
        rule("POST", "/v1/approvals/{id}/approve", DECIDE, false, Trail::Change),
        rule("POST", "/v1/approvals/{id}/refuse", DECIDE, false, Trail::Change),
        rule("GET", "/v1/cameras", ALL, false, Trail::Look),
        rule("GET", "/v1/audit", &[AUDITOR], true, Trail::Look),
        rule("GET", "/v1/openapi.json", ALL, false, Trail::Nothing),
        rule("GET", "/metrics", STAFF, false, Trail::Nothing),
    ],
};

const fn rule(method: &'static str, path: &'static str, roles: &'static [&'static str], whole: bool, trail: Trail) -> Rule {
    Rule { method, path, roles, whole, trail, four_eyes: None, check: None }
}

/// Whether a definition can be a job, for who is to approve of it.
fn can_be_submitted(text: &str) -> Result<(), Unfit> {
    let hint = "`giaolo validate` tells the same without a server";
    Plan::read(&Traffic, "definition", text).map(drop).map_err(|problems| Unfit { error: problems.to_string(), hint: hint.to_owned() })
}
