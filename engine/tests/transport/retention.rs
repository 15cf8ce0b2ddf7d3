//! Retention on a real Kafka, without waiting for it.

use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

/// Deletes the records of a partition before an offset, as retention would.
pub(crate) fn delete_before(brokers: &str, topic: &str, partition: i32, offset: i64) {
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new().set("bootstrap.servers", brokers).create().expect("an admin client");
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, partition, Offset::Offset(offset)).expect("a partition");
    let mut deleting = std::pin::pin!(admin.delete_records(&list, &AdminOptions::new()));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    while std::future::Future::poll(deleting.as_mut(), &mut context).is_pending() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}
