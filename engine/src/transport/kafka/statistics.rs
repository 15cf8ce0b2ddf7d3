//! Of librdkafka's statistics (its STATISTICS.md): which partitions' brokers do not answer, and whether any broker is connected.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

/// What is wanted of the statistics of one client.
#[derive(Deserialize)]
pub(super) struct Statistics {
    #[serde(deserialize_with = "values")]
    brokers: Vec<Broker>,
    topics: BTreeMap<String, Topic>,
}

#[derive(Deserialize)]
struct Broker {
    nodeid: i32,
    state: String,
    /// Microseconds since something came; -1 where nothing ever has.
    rxidle: i64,
}

#[derive(Deserialize)]
struct Topic {
    topic: String,
    partitions: BTreeMap<String, Partition>,
}

#[derive(Deserialize)]
struct Partition {
    /// -1: records for any partition.
    partition: i32,
    /// The broker it is fetched from; -1 where none is known.
    broker: i32,
}

impl Broker {
    /// Whether it is one of the cluster, not a mere address of it, and its line is up.
    fn is_connected(&self) -> bool {
        self.nodeid >= 0 && self.state == "UP"
    }
}

impl Statistics {
    pub(super) fn read(text: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(text)
    }

    /// Whether no broker of the cluster is connected.
    pub(super) fn is_alone(&self) -> bool {
        !self.brokers.iter().any(Broker::is_connected)
    }

    /// The partitions whose broker is not connected, or has sent nothing for so long: topic and number.
    pub(super) fn silent(&self, most: Duration) -> impl Iterator<Item = (String, i32)> {
        let most = i64::try_from(most.as_micros()).unwrap_or(i64::MAX);
        let answers = move |node: i32| {
            self.brokers.iter().any(|broker| broker.nodeid == node && broker.is_connected() && (0..most).contains(&broker.rxidle))
        };
        self.topics.values().flat_map(move |topic| {
            let partitions = topic.partitions.values().filter(move |p| p.partition >= 0 && !answers(p.broker));
            partitions.map(|partition| (topic.topic.clone(), partition.partition))
        })
    }
}

/// The values of an object, also of a name that stands there twice: a broker that was away for a while has a handle of old
/// beside its new one, of the same name, for as long as anybody holds it.
fn values<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    struct Values<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for Values<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut values = Vec::new();
            while let Some((_, value)) = map.next_entry::<serde::de::IgnoredAny, T>()? {
                values.push(value);
            }
            Ok(values)
        }
    }
    from.deserialize_map(Values(PhantomData))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"name": "giaolo#consumer-2", "brokers": {
        "b:1/1": {"nodeid": 1, "state": "UP", "rxidle": 400000, "req": {}},
        "b:1/1": {"nodeid": 1, "state": "INIT", "rxidle": -1},
        "b:2/2": {"nodeid": 2, "state": "UP", "rxidle": 6000000},
        "b:3/3": {"nodeid": 3, "state": "DOWN", "rxidle": 100}},
        "topics": {"t": {"topic": "t", "partitions": {
            "0": {"partition": 0, "broker": 1}, "1": {"partition": 1, "broker": 2}, "2": {"partition": 2, "broker": 3},
            "3": {"partition": 3, "broker": -1}, "-1": {"partition": -1, "broker": -1}}}}}"#;

    #[test]
    fn a_broker_answers_if_one_of_its_handles_does() {
        let statistics = Statistics::read(TEXT.as_bytes()).unwrap();
        let silent: Vec<_> = statistics.silent(Duration::from_secs(5)).map(|(_, partition)| partition).collect();
        assert_eq!(silent, [1, 2, 3], "one that is idle, one that is down, one that nobody knows");
        assert!(!statistics.is_alone());
        let bootstrap = r#"{"brokers": {"b:1/bootstrap": {"nodeid": -1, "state": "UP", "rxidle": 1}}, "topics": {}}"#;
        assert!(Statistics::read(bootstrap.as_bytes()).unwrap().is_alone(), "where the cluster is asked for, and no more");
    }
}
