//! What became of alerts, hour by hour: as scripts one can read, and against recomputation by plain loops.

mod golden;
#[allow(dead_code, reason = "histories are others here")]
#[path = "../stream/harness.rs"]
mod harness;
mod recount;

use operators::Changes;
use operators::effectiveness::{EffectivenessParameters, Fact, Passage, effectiveness};
use schemas::{Camera, City, Effectiveness, Name};
use serde::{Deserialize, Serialize};

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 3_600_000;

/// What comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
enum News {
    Passage(Passage),
    Fact(Fact),
}

/// Cameras `c1` and `c2` are the west's; nobody knows of others.
fn counted<'scope>(news: Changes<'scope, News>, parameters: &EffectivenessParameters) -> Changes<'scope, Effectiveness> {
    let camera = |id| Camera {
        id: Name::of(id),
        centre: Name::of("west"),
        lon_e7: 0,
        lat_e7: 0,
        heading_deg: 0,
        fps: 5,
        clock_error_ms: 50,
        ground: Vec::new(),
        lanes: Vec::new(),
        lines: Vec::new(),
        zones: Vec::new(),
    };
    let city = City { cameras: vec![camera("c1"), camera("c2")], ..City::default() };
    let passages = news.clone().flat_map(|news| if let News::Passage(passage) = news { Some(passage) } else { None });
    let facts = news.flat_map(|news| if let News::Fact(fact) = news { Some(fact) } else { None });
    effectiveness(passages, facts, &city, parameters.clone())
}
