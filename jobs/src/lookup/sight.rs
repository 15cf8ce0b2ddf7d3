//! What a grant shows: which camera belongs to which centre.

use std::collections::BTreeMap;

use engine::access::{Grant, Scopes};
use schemas::{City, Name};

/// The centres of cameras, as the map tells them. A camera that it does not know is shown to who sees everything alone.
#[derive(Debug, Default)]
pub(super) struct Sight(BTreeMap<Name, Name>);

impl Sight {
    pub(super) fn of(city: Option<&City>) -> Self {
        Self(city.into_iter().flat_map(|city| &city.cameras).map(|camera| (camera.id, camera.centre)).collect())
    }

    /// The cameras of the map, each with its centre.
    pub(super) fn cameras(&self) -> impl Iterator<Item = (Name, Name)> {
        self.0.iter().map(|(camera, centre)| (*camera, *centre))
    }

    /// The centre that looks after a camera.
    pub(super) fn centre(&self, camera: Name) -> Option<Name> {
        self.0.get(&camera).copied()
    }

    /// Whether what a camera saw may be shown.
    pub(super) fn shows(&self, grant: &Grant, camera: Name) -> bool {
        grant.scopes == Scopes::All || self.centre(camera).is_some_and(|centre| grant.sees(centre.as_str()))
    }
}
