//! What `giaolo dispatch` needs to know of alerts and of assignments: how one is read, and what an endpoint may ask for.

use engine::Standing;
use engine::dispatch::{Notice, Subject};
use schemas::wire::{Format, Record, Refusal};
use schemas::{Alert, Assignment, Reason, Revised, Status};
use serde::Deserialize;
use serde_json::Value;

/// Alerts, alone or with the unit that is to go, in any format that they are published in.
#[derive(Clone, Copy, Debug, Default)]
pub struct Alerts;

/// Which alerts an endpoint wants. What is not given is not asked.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Wanted {
    /// Of these monitoring centres.
    pub centres: Vec<String>,
    /// By these rules.
    pub rules: Vec<String>,
    /// Of at least this priority, 0 to 100.
    pub priority_least: u8,
    /// Where these patrol units are to go; of a topic of assignments.
    pub units: Vec<String>,
    /// Which at least so many units did not answer; of a topic of assignments.
    pub unanswered_least: usize,
    /// No suspicions: even the bound most favourable to the driver violates.
    pub certain_only: bool,
}

impl Subject for Alerts {
    type Filter = Wanted;

    fn read(&self, record: &[u8]) -> Result<Notice, String> {
        let read = |refusal: Refusal| match Format::of(record).decode::<Revised<Assignment>>(record) {
            Ok(assignment) => notice(&assignment, &assignment.row.alert),
            // The refusal's own words may quote the record, and with it a plate.
            Err(_) if refusal.reason == Reason::Unreadable => Err("it cannot be read".to_owned()),
            Err(_) => Err("it is no alert, nor an assignment".to_owned()),
        };
        Format::of(record).decode::<Revised<Alert>>(record).map_or_else(read, |alert| notice(&alert, &alert.row))
    }

    fn wants(&self, wanted: &Wanted, notice: &Notice) -> bool {
        let alert = notice.data.get("alert").unwrap_or(&notice.data);
        let among = |names: &[String], value: &Value| names.is_empty() || names.iter().any(|name| *value == **name);
        among(&wanted.centres, &alert["centre"])
            && among(&wanted.rules, &alert["rule"])
            && among(&wanted.units, &notice.data["unit"])
            && notice.data["unanswered"].as_array().map_or(0, Vec::len) >= wanted.unanswered_least
            && alert["priority"].as_u64().unwrap_or(0) >= u64::from(wanted.priority_least)
            && (alert["certain"] == true || !wanted.certain_only)
    }
}

/// What is sent of a row, and of which alert.
fn notice<R: Record>(row: &Revised<R>, alert: &Alert) -> Result<Notice, String> {
    let standing = match row.status {
        Status::Provisional => Standing::Provisional,
        Status::Final => Standing::Final,
        Status::Withdrawn => Standing::Withdrawn,
    };
    let data = serde_json::to_value(row).map_err(|_| "it cannot be written as JSON".to_owned())?;
    Ok(Notice { subject: R::NAME, id: alert.id.to_string(), revision: row.revision, standing, at_ms: alert.at_ms, data })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALERT: &str = r#"{"revision":3,"status":"withdrawn","id":"ffffffffffffffff","rule":"section_speed","certain":false,
        "priority":40,"at_ms":1767250805133,"centre":"west","plate":null,"journey":null,"evidence":[],"measured":{},"limit":{},"text":"t"}"#;

    #[test]
    fn an_alert_is_read_and_chosen_by_what_it_is() {
        let notice = Alerts.read(ALERT.as_bytes()).unwrap();
        assert_eq!((notice.subject, notice.id.as_str(), notice.revision), ("alert", "ffffffffffffffff", 3));
        assert_eq!(notice.standing, Standing::Withdrawn);
        assert_eq!((notice.at_ms, &notice.data["rule"]), (1_767_250_805_133, &"section_speed".into()));
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        for (wanted, wants) in [
            (Wanted::default(), true),
            (Wanted { centres: names(&["east", "west"]), rules: names(&["section_speed"]), priority_least: 40, ..Wanted::default() }, true),
            (Wanted { centres: names(&["east"]), ..Wanted::default() }, false),
            (Wanted { rules: names(&["hotlist"]), ..Wanted::default() }, false),
            (Wanted { priority_least: 41, ..Wanted::default() }, false),
            (Wanted { certain_only: true, ..Wanted::default() }, false),
            (Wanted { units: names(&["p7"]), ..Wanted::default() }, false),
        ] {
            assert_eq!(Alerts.wants(&wanted, &notice), wants, "{wanted:?}");
        }
    }

    #[test]
    fn an_assignment_is_told_to_its_unit() {
        let alert = ALERT.replacen(r#""revision":3,"status":"withdrawn","#, "", 1);
        let assignment = format!(
            r#"{{"revision":2,"status":"provisional","id":"ffffffffffffffff","unit":"p7","units":[{{"unit":"p7","distance_cm":9,"by_road":true,"seen_ms":1}}],"unanswered":["p9"],"alert":{alert}}}"#
        );
        let notice = Alerts.read(assignment.as_bytes()).unwrap();
        assert_eq!((notice.subject, notice.id.as_str(), notice.revision), ("assignment", "ffffffffffffffff", 2));
        for (unit, wants) in [("p7", true), ("p8", false)] {
            let wanted = Wanted { units: vec![unit.to_owned()], centres: vec!["west".to_owned()], priority_least: 40, ..Wanted::default() };
            assert_eq!(Alerts.wants(&wanted, &notice), wants, "{unit}");
        }
        // The centre is told what somebody left unanswered.
        for (unanswered_least, wants) in [(0, true), (1, true), (2, false)] {
            assert_eq!(Alerts.wants(&Wanted { unanswered_least, ..Wanted::default() }, &notice), wants, "{unanswered_least}");
        }
    }

    #[test]
    fn why_an_alert_cannot_be_read_names_no_plate() {
        let wrong = ALERT.replace("\"plate\":null", "\"plate\":\"88A12345\"");
        for record in [wrong.as_str(), "88A12345"] {
            assert!(!Alerts.read(record.as_bytes()).unwrap_err().contains("88A"));
        }
    }
}
