//! `giaolo review`, `giaolo ack`: what people do about alerts.

use clap::Args;
use schemas::{Decision, ReviewReason};
use serde_json::json;

use super::Outcome;
use super::choice::choice;
use super::remote::{Ask, Remote, encoded};
use super::submit::text;

/// Say whether an alert is right
///
/// The newest decision on an alert stands. It is written to the topic `reviews` and, with who decided, to the server's audit
/// log. It takes a token of the role reviewer, bound to the alert's centre or to none.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  giaolo alerts --review none                                       what is still to be decided
  giaolo review a32bfe7829f37f1c confirmed
  giaolo review a32bfe7829f37f1c rejected --reason broken-signal
  giaolo review a32bfe7829f37f1c rejected --reason other --note 'film crew, permit 12/26'
  giaolo review a32bfe7829f37f1c confirmed --revision 2             only if no other stands by now")]
pub(super) struct Review {
    /// The alert, by its id
    #[arg(value_name = "ID")]
    id: String,
    /// Whether it is right
    #[arg(value_name = "DECISION", value_parser = choice::<Decision>())]
    decision: Decision,
    /// Why it is not
    #[arg(long, value_name = "REASON", required_if_eq("decision", "rejected"), value_parser = choice::<ReviewReason>())]
    reason: Option<ReviewReason>,
    /// What else there is to say; with the reason other it is needed
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    note: String,
    /// The revision that was looked at: if another stands by now, nothing is done
    #[arg(long, value_name = "N")]
    revision: Option<u32>,
    #[command(flatten)]
    remote: Remote,
}

/// Say that you see to an alert
///
/// The first who says so counts; who comes later is told who that is. It is written to the topic `acknowledgements`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  giaolo ack a32bfe7829f37f1c
  giaolo ack a32bfe7829f37f1c --revision 2      only if no other stands by now")]
pub(super) struct Ack {
    /// The alert, by its id
    #[arg(value_name = "ID")]
    id: String,
    /// The revision that was looked at: if another stands by now, nothing is done
    #[arg(long, value_name = "N")]
    revision: Option<u32>,
    #[command(flatten)]
    remote: Remote,
}

impl Review {
    pub(super) fn run(&self) -> anyhow::Result<Outcome> {
        let mut body = json!({"decision": self.decision, "reason": self.reason, "note": self.note});
        if let Some(revision) = self.revision {
            body["revision"] = revision.into();
        }
        let answer = self.remote.ask(&Ask::Post(&body.to_string()), &format!("/v1/alerts/{}/review", encoded(&self.id)), &[])?;
        self.remote.show(&answer, |review| {
            format!("{} is {} at revision {}\n", text(review, "alert"), text(review, "decision"), review["revision"])
        })
    }
}

impl Ack {
    pub(super) fn run(&self) -> anyhow::Result<Outcome> {
        let body = self.revision.map_or_else(|| json!({}), |revision| json!({"revision": revision}));
        let answer = self.remote.ask(&Ask::Post(&body.to_string()), &format!("/v1/alerts/{}/ack", encoded(&self.id)), &[])?;
        self.remote.show(&answer, |acknowledged| format!("{} sees to {}\n", text(acknowledged, "who"), text(acknowledged, "alert")))
    }
}
