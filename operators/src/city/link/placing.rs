//! Who could go where, and what each takes from all others who could.

use schemas::Id;
use smallvec::{SmallVec, smallvec};

use super::matching::Claims;

/// Where a sighting without a plate could belong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Opening {
    /// Behind this sighting.
    After(Id),
    /// Before this sighting.
    Before(Id),
    /// Between this sighting and the next one by plate.
    Gap(Id),
}

impl Opening {
    /// The sighting it is named for.
    pub(super) fn id(self) -> Id {
        let (Self::After(id) | Self::Before(id) | Self::Gap(id)) = self;
        id
    }
}

/// A sighting without a plate in an opening.
pub(super) type Placing = (Opening, Id);

/// What only one bond can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Claim {
    Out(Id),
    In(Id),
    Gap(Id),
}

/// What an opening offers.
pub(super) fn claim(opening: Opening) -> Claim {
    match opening {
        Opening::After(id) => Claim::Out(id),
        Opening::Before(id) => Claim::In(id),
        Opening::Gap(id) => Claim::Gap(id),
    }
}

/// What a placing takes: the opening, and one side or both of the sighting placed there.
pub(super) fn claims((opening, id): Placing) -> Claims<Claim> {
    match opening {
        Opening::After(_) => smallvec![claim(opening), Claim::In(id)],
        Opening::Before(_) => smallvec![claim(opening), Claim::Out(id)],
        Opening::Gap(_) => smallvec![claim(opening), Claim::In(id), Claim::Out(id)],
    }
}

/// The sightings whose next one a placing decides.
pub(super) fn origins((opening, id): Placing) -> SmallVec<[Id; 2]> {
    match opening {
        Opening::After(before) => smallvec![before],
        Opening::Before(_) => smallvec![id],
        Opening::Gap(before) => smallvec![before, id],
    }
}

/// A placing after a rival took another's place: what the rival gains there, the other gets here.
pub(super) fn exchanged(holder: Placing, other: Placing, rival: Placing) -> Placing {
    let instead = |id| if id == rival.1 { other.1 } else { id };
    match holder.0 {
        opening if opening == rival.0 && rival.1 == other.1 => (other.0, holder.1),
        Opening::After(id) => (Opening::After(instead(id)), instead(holder.1)),
        Opening::Before(id) => (Opening::Before(instead(id)), instead(holder.1)),
        Opening::Gap(id) => (Opening::Gap(id), instead(holder.1)),
    }
}
