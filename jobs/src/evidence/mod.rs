//! Evidence: all that an alert rests on in one file, signed, from which the same verdict can be had again.
//!
//! ```text
//! store ─▶ gather: the alert's revisions, its sightings, the span and the offsets it rests on ─┐
//!            └─▶ subject: of the inputs, what is about it and nobody else ─▶ excerpt ──────────┼─▶ manifest ─▶ archive ─▶ FILE.zip
//! definition, map, stills ─────────────────────────────────────────────────────────────────────┘     signature ┘
//!
//! FILE.zip ─▶ check: every file, the signature            FILE.zip, or a store ─▶ inputs ─▶ the job ─▶ verdict
//! ```
//!
//! A package tells nothing of when it was made, by whom and why, so that the same alert gives the same bytes: that is in the audit log.

mod archive;
mod gather;
mod inputs;
mod manifest;
mod subject;
mod verdict;

pub use archive::{Checked, MANIFEST, SIGNATURE, check, pack};
pub use gather::{Basis, Gathered, Origin, gather, origins, read};
pub use inputs::{Content, Recorded, excerpt, measure};
pub use manifest::{Committed, Device, Excerpt, File, Inputs, Job, Manifest, Mounted, Part, Read, sha256};
pub use subject::{Kept, Subject};
pub use verdict::{Verdict, Watched, differences};

/// The definition's file in a package.
pub const DEFINITION: &str = "definition.yaml";
/// The map's.
pub const MAP: &str = "city.json";
