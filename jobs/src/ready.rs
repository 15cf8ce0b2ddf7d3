//! The ready jobs that the program carries, so that `giaolo run city` needs no file.

/// A ready job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// What it is called on the command line.
    pub name: &'static str,
    /// Its definition.
    pub text: &'static str,
}

/// All of them, the whole city first.
pub const READY: &[Ready] = &[
    Ready { name: "city", text: include_str!("../definitions/city.yaml") },
    Ready { name: "section-speed", text: include_str!("../definitions/section-speed.yaml") },
    Ready { name: "hotlist", text: include_str!("../definitions/hotlist.yaml") },
    Ready { name: "patrols", text: include_str!("../definitions/patrols.yaml") },
    Ready { name: "effectiveness", text: include_str!("../definitions/effectiveness.yaml") },
    Ready { name: "custom", text: include_str!("../definitions/custom.yaml") },
    Ready { name: "verbs", text: include_str!("../definitions/verbs.yaml") },
];

/// The ready job of that name.
#[must_use]
pub fn ready(name: &str) -> Option<&'static Ready> {
    READY.iter().find(|ready| ready.name == name)
}
