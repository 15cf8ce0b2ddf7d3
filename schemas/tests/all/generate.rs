//! Any record that may stand on the wire, at random.

use proptest::{collection::vec, option, prelude::*, sample::select};
use schemas::{
    Acknowledgement, Alert, Assignment, Body, Camera, CaptureHealth, CaptureState, City, Class, Codec, Confidence, Counts, Crossing,
    Decision, Effectiveness, Evidence, Frame, Ground, HotlistEntry, Id, Journey, Lane, Line, LineKind, Link, Name, NearUnit, Object,
    Observation, Patrol, Pixel, PixelBox, Plate, PlateColour, PlateKind, PlateText, Quantities, Reason, Rejected, Review, ReviewReason,
    Revised, Section, Sighting, Signal, SignalState, Status, Stay, Zone, ZoneKind,
};

/// A record of its type, at random.
pub(crate) trait Generate: Sized {
    fn any() -> BoxedStrategy<Self>;
}

macro_rules! generate {
    ($($type:ty = $strategy:expr;)*) => {$(
        impl Generate for $type {
            fn any() -> BoxedStrategy<Self> {
                $strategy.boxed()
            }
        }
    )*};
}

generate! {
    Name = prop_oneof!["[a-z0-9/]{0,31}", "\\PC{0,7}"].prop_map(|text| text.parse().unwrap());
    Id = any::<u64>().prop_map(Id);
    Class = select(vec![Class::Car, Class::Motorbike, Class::Bus, Class::Truck, Class::Bicycle, Class::Other]);
    Body = select(vec![Body::White, Body::Black, Body::Silver, Body::Red, Body::Grey, Body::Blue, Body::Brown, Body::Green, Body::Yellow, Body::Other]);
    PlateKind = select(vec![PlateKind::Car, PlateKind::Bike, PlateKind::Ebike, PlateKind::Army, PlateKind::Diplomatic, PlateKind::Other]);
    PlateColour = select(vec![PlateColour::White, PlateColour::Yellow, PlateColour::Blue, PlateColour::Red, PlateColour::Other]);
    PlateText = "[0-9A-ZĐ]{0,15}".prop_map(|text| text.parse().unwrap());
    Plate = (vec((select("0123456789ABCDEFGHKLMNPSTUVXYZĐ".chars().collect::<Vec<_>>()), 0..=1_000_u16), 0..=15), PlateKind::any(), PlateColour::any())
        .prop_map(|(symbols, kind, colour)| {
            let (text, confidence): (String, Vec<u16>) = symbols.into_iter().unzip();
            Plate { text: text.parse().unwrap(), kind, colour, confidence: Confidence::of(&confidence).unwrap() }
        });
    Pixel = (any::<i32>(), any::<i32>()).prop_map(|(x, y)| Pixel { x, y });
    PixelBox = (-65_535..=65_535, -65_535..=65_535, 1..=65_535, 1..=65_535).prop_map(|(x, y, width, height)| PixelBox { x, y, width, height });
    Object = (Class::any(), 0..=1_000_u16, PixelBox::any(), option::of(Plate::any()), option::of(Body::any()), any::<Option<u32>>())
        .prop_map(|(class, confidence, bounds, plate, body, speed_cms)| Object { class, confidence, bounds, plate, body, speed_cms });
    Observation = (Name::any(), any::<u64>(), any::<u64>(), vec(Object::any(), 0..20), any::<Option<u64>>())
        .prop_map(|(camera, frame, at_ms, objects, received_ms)| Observation { camera, frame, at_ms, objects: objects.into(), received_ms });
    Codec = select(vec![Codec::H264, Codec::H265, Codec::Mjpeg]);
    Frame = (
        (Name::any(), any::<u64>(), any::<u64>(), any::<u32>(), Codec::any()),
        (any::<bool>(), any::<bool>(), vec(any::<u8>(), 0..40), vec(any::<u8>(), 1..300)),
    )
        .prop_map(|((camera, frame, at_ms, error_ms, codec), (key, gap, parameters, bytes))| {
            let parameters = if key { parameters } else { Vec::new() };
            Frame { camera, frame, at_ms, error_ms, codec, key, gap, parameters, bytes }
        });
    CaptureState = select(vec![CaptureState::Connecting, CaptureState::Streaming, CaptureState::Waiting, CaptureState::Ended]);
    CaptureHealth = (
        (Name::any(), any::<u64>(), CaptureState::any(), any::<u64>(), any::<u64>(), any::<u64>()),
        (any::<u64>(), any::<u64>(), any::<u64>(), any::<bool>(), any::<Option<String>>()),
    )
        .prop_map(|((camera, at_ms, state, span_ms, frames, bit_rate), (gaps, dropped, reconnects, own_clock, error))| CaptureHealth {
            camera, at_ms, state, span_ms, frames, bit_rate, gaps, dropped, reconnects, own_clock, error,
        });
    SignalState = select(vec![SignalState::Red, SignalState::Yellow, SignalState::Green, SignalState::Off, SignalState::Unknown]);
    Signal = (Name::any(), SignalState::any(), any::<u64>(), any::<u32>())
        .prop_map(|(head, state, at_ms, error_ms)| Signal { head, state, at_ms, error_ms });
    HotlistEntry = (Name::any(), PlateText::any(), PlateKind::any(), 0..=100_u8, any::<String>(), 0..u64::MAX, any::<bool>())
        .prop_map(|(list, plate, kind, priority, reason, from_ms, deleted)| HotlistEntry { list, plate, kind, priority, reason, from_ms, until_ms: from_ms + 1, deleted });
    Patrol = (Name::any(), -1_800_000_000..=1_800_000_000, -900_000_000..=900_000_000, any::<u64>(), any::<bool>())
        .prop_map(|(unit, lon_e7, lat_e7, at_ms, on_duty)| Patrol { unit, lon_e7, lat_e7, at_ms, on_duty });
    Crossing = (Name::any(), any::<u64>(), any::<Option<u32>>(), any::<bool>())
        .prop_map(|(line, at_ms, lane, forward)| Crossing { line, at_ms, lane, forward });
    Stay = (Name::any(), any::<u64>()).prop_map(|(zone, from_ms)| Stay { zone, from_ms, until_ms: u64::MAX });
    Sighting = (
        (Id::any(), Name::any(), Class::any(), option::of(Body::any()), any::<u64>(), option::of(Plate::any())),
        (vec(Crossing::any(), 0..4), vec(Stay::any(), 0..3), any::<Option<u32>>(), any::<u32>(), any::<Option<u32>>()),
    )
        .prop_map(|((id, camera, class, body, from_ms, plate), (crossings, stays, speed_cms, boxes, against_cm))| Sighting {
            id, camera, class, body, from_ms, until_ms: u64::MAX, plate, crossings, stays, speed_cms, boxes, against_cm,
            against_from_ms: against_cm.map(u64::from),
        });
    Journey = (Id::any(), option::of(Plate::any()), vec((Id::any(), Name::any()), 0..9), any::<u64>(), 0..=1_000_u16)
        .prop_map(|(id, plate, seen, from_ms, certainty)| {
            let (sightings, cameras) = seen.into_iter().unzip();
            Journey { id, plate, sightings, cameras, from_ms, until_ms: u64::MAX, certainty }
        });
    Quantities = vec((Name::any(), any::<i64>()), 0..5).prop_map(Quantities);
    Evidence = (option::of(Id::any()), Name::any(), any::<u64>()).prop_map(|(sighting, camera, at_ms)| Evidence { sighting, camera, at_ms });
    Alert = (
        (Id::any(), Name::any(), any::<bool>(), 0..=100_u8, any::<u64>(), Name::any(), option::of(Plate::any())),
        (option::of(Id::any()), vec(Evidence::any(), 0..4), Quantities::any(), Quantities::any(), any::<String>()),
    )
        .prop_map(|((id, rule, certain, priority, at_ms, centre, plate), (journey, evidence, measured, limit, text))| Alert {
            id, rule, certain, priority, at_ms, centre, plate, journey, evidence, measured, limit, text,
        });
    NearUnit = (any::<u64>(), Name::any(), any::<bool>(), any::<u64>())
        .prop_map(|(distance_cm, unit, by_road, seen_ms)| NearUnit { distance_cm, unit, by_road, seen_ms });
    Assignment = (option::of(Name::any()), vec(NearUnit::any(), 0..4), vec(Name::any(), 0..3), Alert::any())
        .prop_map(|(unit, units, unanswered, alert)| Assignment { id: alert.id, unit, units, unanswered, alert });
    Counts = any::<[i64; 10]>().prop_map(|[passages, reads, alerts, withdrawn, confirmed, rejected, acknowledged, prompt, telling_ms, acknowledging_ms]| Counts {
            passages, reads, alerts, withdrawn, confirmed, rejected, acknowledged, prompt, telling_ms, acknowledging_ms,
        });
    Effectiveness = (0..u64::MAX / 3_600_000, 0..u64::MAX / 3_600_000, Name::any(), Name::any(), option::of(Name::any()), Counts::any())
        .prop_map(|(from, known, centre, camera, rule, counts)| {
            let (from_ms, known_from_ms) = (from * 3_600_000, known * 3_600_000);
            let id = Effectiveness::id_of(from_ms, known_from_ms, centre, camera, rule);
            Effectiveness { id, from_ms, known_from_ms, centre, camera, rule, counts }
        });
    Reason = select(vec![Reason::Unreadable, Reason::Invalid, Reason::Late, Reason::Future, Reason::Duplicate]);
    Rejected = (Name::any(), any::<u32>(), any::<u64>(), Reason::any(), any::<String>(), any::<Option<String>>(), any::<Option<String>>())
        .prop_map(|(topic, partition, offset, reason, detail, record, record_base64)| Rejected { topic, partition, offset, reason, detail, record, record_base64 });
    ReviewReason = select(vec![
        ReviewReason::WrongPlate, ReviewReason::WrongVehicle, ReviewReason::WrongMeasurement, ReviewReason::BrokenSignal, ReviewReason::Directed,
        ReviewReason::Emergency, ReviewReason::Escort, ReviewReason::Allowed, ReviewReason::Other,
    ]);
    Review = (Id::any(), any::<u32>(), option::of(ReviewReason::any()), "[a-zĐ ]{0,40}", any::<String>(), any::<u64>())
        .prop_map(|(alert, revision, reason, note, who, at_ms)| {
            let decision = if reason.is_some() { Decision::Rejected } else { Decision::Confirmed };
            Review { alert, revision, decision, reason, note: note + "!", who, at_ms }
        });
    Acknowledgement = (Id::any(), any::<u32>(), any::<String>(), any::<u64>())
        .prop_map(|(alert, revision, who, at_ms)| Acknowledgement { alert, revision, who, at_ms });
    Status = select(vec![Status::Provisional, Status::Final, Status::Withdrawn]);
    Ground = (Pixel::any(), any::<[i32; 2]>()).prop_map(|(pixel, cm)| Ground { pixel, cm });
    Lane = (any::<u32>(), any::<i32>(), any::<i32>(), option::of(Name::any())).prop_map(|(id, from_x, to_x, head)| Lane { id, from_x, to_x, head });
    LineKind = select(vec![LineKind::StopLine, LineKind::ConflictLine, LineKind::Count]);
    Line = (Name::any(), LineKind::any(), Pixel::any(), Pixel::any()).prop_map(|(id, kind, from, to)| Line { id, kind, from, to });
    ZoneKind = select(vec![ZoneKind::NoStopping, ZoneKind::NoParking, ZoneKind::Watch]);
    Zone = (Name::any(), ZoneKind::any(), any::<u64>(), vec(Pixel::any(), 0..6))
        .prop_map(|(id, kind, limit_ms, polygon)| Zone { id, kind, limit_ms, polygon });
    Camera = (
        (Name::any(), Name::any(), any::<i32>(), any::<i32>(), any::<u16>(), any::<u16>(), any::<u32>()),
        (vec(Ground::any(), 0..5), vec(Lane::any(), 0..4), vec(Line::any(), 0..3), vec(Zone::any(), 0..3)),
    )
        .prop_map(|((id, centre, lon_e7, lat_e7, heading_deg, fps, clock_error_ms), (ground, lanes, lines, zones))| Camera {
            id, centre, lon_e7, lat_e7, heading_deg, fps, clock_error_ms, ground, lanes, lines, zones,
        });
    Link = (Name::any(), Name::any(), any::<u64>(), any::<bool>()).prop_map(|(from, to, length_cm, adjacent)| Link { from, to, length_cm, adjacent });
    Section = (Name::any(), Name::any(), Name::any(), any::<u64>(), any::<u32>())
        .prop_map(|(id, from, to, length_cm, limit_kmh)| Section { id, from, to, length_cm, limit_kmh });
    City = (any::<String>(), vec(Name::any(), 0..3), vec(Camera::any(), 0..3), vec(Link::any(), 0..3), vec(Section::any(), 0..3))
        .prop_map(|(name, centres, cameras, links, sections)| City { name, centres, cameras, links, sections });
}

impl<T: Generate + std::fmt::Debug + 'static> Generate for Revised<T> {
    fn any() -> BoxedStrategy<Self> {
        (1..=u32::MAX, Status::any(), T::any()).prop_map(|(revision, status, row)| Self { revision, status, row }).boxed()
    }
}
