//! Consuming by the batch.

use std::ffi::{CStr, CString};
use std::time::Duration;

use rdkafka_sys as rd;

use super::{NO_ERROR, Outcome, c_string, check, name_of, new_client};

/// `RD_KAFKA_PARTITION_UA`, which the binding leaves out.
const ANY_PARTITION: i32 = -1;

/// A member of a consumer group. It is never closed: it ends with the process.
pub struct Consumer {
    client: *mut rd::rd_kafka_t,
    queue: *mut rd::rd_kafka_queue_t,
    topics: Vec<CString>,
    messages: Vec<*mut rd::rd_kafka_message_t>,
}

/// A record of the input, as long as it is looked at.
pub struct Record<'a> {
    /// The place of its topic among those subscribed to.
    pub topic: usize,
    pub partition: i32,
    pub offset: i64,
    pub key: &'a [u8],
}

impl Consumer {
    pub fn new(settings: &[(&str, &str)], topics: &[&str], batch_max: usize) -> Outcome<Self> {
        let topics = topics.iter().map(|topic| c_string(topic)).collect::<Outcome<Vec<CString>>>()?;
        let client = new_client(rd::rd_kafka_type_t::RD_KAFKA_CONSUMER, settings)?;
        // SAFETY: the client lives as long as the process; the list is made, used and destroyed here, and librdkafka copies
        // what is in it.
        let queue = unsafe {
            check(rd::rd_kafka_poll_set_consumer(client))?;
            let list = rd::rd_kafka_topic_partition_list_new(2);
            for topic in &topics {
                rd::rd_kafka_topic_partition_list_add(list, topic.as_ptr(), ANY_PARTITION);
            }
            check(rd::rd_kafka_subscribe(client, list))?;
            rd::rd_kafka_topic_partition_list_destroy(list);
            rd::rd_kafka_queue_get_consumer(client)
        };
        Ok(Self { client, queue, topics, messages: vec![std::ptr::null_mut(); batch_max] })
    }

    /// Waits for a record, then takes what there is, up to the batch. (Asked for a batch at once, librdkafka waits until
    /// it is full or the time is up.)
    pub fn batch(&mut self, wait: Duration, mut take: impl FnMut(Record<'_>)) -> Outcome<()> {
        let wait = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
        let room = self.messages.as_mut_ptr();
        // SAFETY: there is room for the one message and for the rest after it.
        let count = unsafe {
            match rd::rd_kafka_consume_batch_queue(self.queue, wait, room, 1) {
                1 => 1 + rd::rd_kafka_consume_batch_queue(self.queue, 0, room.add(1), self.messages.len() - 1).max(0),
                none => none.max(0),
            }
        };
        let mut failed = Ok(());
        for &message in &self.messages[..count.unsigned_abs()] {
            // SAFETY: librdkafka filled this place with a message, which is ours until it is destroyed below; the topic
            // outlives it.
            unsafe {
                let it = &*message;
                if it.err == NO_ERROR {
                    let key = match it.key.is_null() {
                        true => &[],
                        false => std::slice::from_raw_parts(it.key.cast::<u8>(), it.key_len),
                    };
                    let name = CStr::from_ptr(rd::rd_kafka_topic_name(it.rkt));
                    let topic = self.topics.iter().position(|topic| topic.as_c_str() == name).unwrap_or_default();
                    take(Record { topic, partition: it.partition, offset: it.offset, key });
                } else {
                    failed = Err(name_of(it.err));
                }
                rd::rd_kafka_message_destroy(message);
            }
        }
        failed
    }

    /// Who we are in the group, which goes with the offsets.
    pub fn group_metadata(&self) -> GroupMetadata {
        // SAFETY: the client lives as long as the process.
        GroupMetadata(unsafe { rd::rd_kafka_consumer_group_metadata(self.client) })
    }
}

pub struct GroupMetadata(pub(super) *mut rd::rd_kafka_consumer_group_metadata_t);

impl Drop for GroupMetadata {
    fn drop(&mut self) {
        // SAFETY: made by `group_metadata`, and destroyed once.
        unsafe { rd::rd_kafka_consumer_group_metadata_destroy(self.0) }
    }
}
