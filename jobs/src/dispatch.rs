//! What `giaolo dispatch` needs to know of alerts: how one is read, and what an endpoint may ask for.

use engine::Standing;
use engine::dispatch::{Notice, Subject};
use schemas::wire::Format;
use schemas::{Alert, Reason, Revised, Status};
use serde::Deserialize;

/// Alerts, in any format that they are published in.
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
    /// No suspicions: even the bound most favourable to the driver violates.
    pub certain_only: bool,
}

impl Subject for Alerts {
    type Filter = Wanted;

    fn name(&self) -> &'static str {
        "alert"
    }

    fn read(&self, record: &[u8]) -> Result<Notice, String> {
        let alert: Revised<Alert> = Format::of(record).decode(record).map_err(|refusal| {
            // The refusal's own words may quote the record, and with it a plate.
            if refusal.reason == Reason::Unreadable { "it cannot be read".to_owned() } else { "it is no alert".to_owned() }
        })?;
        let standing = match alert.status {
            Status::Provisional => Standing::Provisional,
            Status::Final => Standing::Final,
            Status::Withdrawn => Standing::Withdrawn,
        };
        let data = serde_json::to_value(&alert).map_err(|_| "it cannot be written as JSON".to_owned())?;
        Ok(Notice { id: alert.row.id.to_string(), revision: alert.revision, standing, at_ms: alert.row.at_ms, data })
    }

    fn wants(&self, wanted: &Wanted, notice: &Notice) -> bool {
        let among = |names: &[String], field: &str| names.is_empty() || names.iter().any(|name| notice.data[field] == **name);
        among(&wanted.centres, "centre")
            && among(&wanted.rules, "rule")
            && notice.data["priority"].as_u64().unwrap_or(0) >= u64::from(wanted.priority_least)
            && (notice.data["certain"] == true || !wanted.certain_only)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALERT: &str = r#"{"revision":3,"status":"withdrawn","id":"ffffffffffffffff","rule":"section_speed","certain":false,
        "priority":40,"at_ms":1767250805133,"centre":"west","plate":null,"journey":null,"evidence":[],"measured":{},"limit":{},"text":"t"}"#;

    #[test]
    fn an_alert_is_read_and_chosen_by_what_it_is() {
        let notice = Alerts.read(ALERT.as_bytes()).unwrap();
        assert_eq!((notice.id.as_str(), notice.revision, notice.standing), ("ffffffffffffffff", 3, Standing::Withdrawn));
        assert_eq!((notice.at_ms, &notice.data["rule"]), (1_767_250_805_133, &"section_speed".into()));
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        for (wanted, wants) in [
            (Wanted::default(), true),
            (Wanted { centres: names(&["east", "west"]), rules: names(&["section_speed"]), priority_least: 40, certain_only: false }, true),
            (Wanted { centres: names(&["east"]), ..Wanted::default() }, false),
            (Wanted { rules: names(&["hotlist"]), ..Wanted::default() }, false),
            (Wanted { priority_least: 41, ..Wanted::default() }, false),
            (Wanted { certain_only: true, ..Wanted::default() }, false),
        ] {
            assert_eq!(Alerts.wants(&wanted, &notice), wants, "{wanted:?}");
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
