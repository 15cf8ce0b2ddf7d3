//! Look-ups: what committed outputs say of vehicles, alerts and cameras, for people who may know it.
//!
//! ```text
//! alerts, journeys, sightings, capture_health ─▶ intake ─▶ view (SQL)    ◀── alerts · journeys · cameras ◀── http, events
//!                                                             │                       ▲
//!      ▲                                                  retention               sight: what a grant shows
//!      └── reviews, acknowledgements ◀── review ◀── http
//! ```
//!
//! The newest revision of an id is what stands. Who is bound to centres sees the alerts of those centres and, of evidence and
//! journeys, what their cameras saw: nothing of the others, and not that there was anything.

mod alerts;
mod cameras;
mod events;
mod hotlist;
mod http;
mod intake;
mod journeys;
mod retention;
mod review;
mod sight;
mod tables;

use std::sync::Arc;

use engine::server::Extension;
use engine::transport::{TopicStore, TransportError};
use engine::view::{Following, Place, PlaceError, View};
use schemas::City;

pub(crate) use self::hotlist::can_be_listed;
pub use self::retention::Retention;
use self::sight::Sight;
use self::tables::Traffic;

/// Makes a topic of what people do about alerts, unless it is there: jobs read it before anybody has said anything.
///
/// # Errors
/// The store cannot be asked, or makes no topics.
pub fn make_topic(store: &dyn TopicStore, topic: &str) -> Result<(), TransportError> {
    review::partitions_of(store, topic).map(drop)
}

/// Answers look-ups from a view, kept up with a store's topics as long as what it returns beside them is kept.
///
/// # Errors
/// The view's tables cannot be kept there, or are someone else's.
pub fn begin(
    place: &Place,
    store: Arc<dyn TopicStore>,
    city: Option<&City>,
    retention: Retention,
) -> Result<(Extension, Following), PlaceError> {
    for topic in [tables::REVIEWS, tables::ACKNOWLEDGEMENTS] {
        if let Err(error) = make_topic(&*store, topic) {
            tracing::warn!(%error, topic, "a topic cannot be made");
        }
    }
    let (view, following) = View::begin(place, Traffic { retention }, Arc::clone(&store))?;
    let desk = http::Desk::new(view, Sight::of(city), store);
    Ok((Extension { routes: http::routes(desk), openapi: include_str!("openapi.json") }, following))
}
