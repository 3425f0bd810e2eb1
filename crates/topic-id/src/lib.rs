//! The id that Kafka gives a topic when it is made (KIP-516): one that is deleted and made anew has the same name, and
//! another id.
//!
//! librdkafka tells it, and rdkafka does not pass it on: the C functions are called here, so that no other crate needs
//! `unsafe`.

use std::ffi::{CString, c_int};
use std::ptr;
use std::time::Duration;

use rdkafka::client::{Client, ClientContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka_sys as sys;

/// A topic's id. It never comes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicId(pub [u8; 16]);

/// Asks for the id of a topic, and waits for so long. None if the brokers give none: they did not before Kafka 2.8.
///
/// # Errors
/// When there is no such topic, or nobody answers.
pub fn topic_id<C: ClientContext>(client: &Client<C>, topic: &str, patience: Duration) -> KafkaResult<Option<TopicId>> {
    let name = CString::new(topic).map_err(|_| failed(RDKafkaErrorCode::InvalidTopic))?;
    let patience_ms = c_int::try_from(patience.as_millis()).unwrap_or(c_int::MAX);
    let asked = Asked::new(client, &name, patience_ms);
    // SAFETY: the queue lives as long as `asked`, and the event is destroyed once, when `answer` is dropped.
    let answer = Answer(unsafe { sys::rd_kafka_queue_poll(asked.queue, patience_ms) });
    answer.topic_id()
}

fn failed(code: RDKafkaErrorCode) -> KafkaError {
    KafkaError::AdminOp(code)
}

/// A question that is on its way.
struct Asked {
    topics: *mut sys::rd_kafka_TopicCollection_t,
    options: *mut sys::rd_kafka_AdminOptions_t,
    queue: *mut sys::rd_kafka_queue_t,
}

impl Asked {
    fn new<C: ClientContext>(client: &Client<C>, name: &CString, patience_ms: c_int) -> Self {
        let kafka = client.native_ptr();
        let mut names = [name.as_ptr()];
        // SAFETY: the client outlives this call and is not destroyed by it; `names` holds one name that ends in zero, which
        // is copied; what is made is destroyed when it is dropped. A message about a wrong timeout is not asked for.
        unsafe {
            let asked = Self {
                topics: sys::rd_kafka_TopicCollection_of_topic_names(names.as_mut_ptr(), names.len()),
                options: sys::rd_kafka_AdminOptions_new(
                    kafka,
                    sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS,
                ),
                queue: sys::rd_kafka_queue_new(kafka),
            };
            sys::rd_kafka_AdminOptions_set_request_timeout(asked.options, patience_ms, ptr::null_mut(), 0);
            sys::rd_kafka_DescribeTopics(kafka, asked.topics, asked.options, asked.queue);
            asked
        }
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        // SAFETY: each was made by `new`, and is destroyed here alone. An answer that comes later has no queue to go to.
        unsafe {
            sys::rd_kafka_queue_destroy(self.queue);
            sys::rd_kafka_AdminOptions_destroy(self.options);
            sys::rd_kafka_TopicCollection_destroy(self.topics);
        }
    }
}

/// An event, or null: nobody has answered.
struct Answer(*mut sys::rd_kafka_event_t);

impl Answer {
    fn topic_id(&self) -> KafkaResult<Option<TopicId>> {
        if self.0.is_null() {
            return Err(failed(RDKafkaErrorCode::OperationTimedOut));
        }
        // SAFETY: the event is not null, and what it says lives as long as it does; each pointer is looked at before it is
        // followed.
        unsafe {
            check(sys::rd_kafka_event_error(self.0))?;
            let result = sys::rd_kafka_event_DescribeTopics_result(self.0);
            if result.is_null() {
                return Err(failed(RDKafkaErrorCode::BadMessage));
            }
            let mut count = 0;
            let described = sys::rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
            if described.is_null() || count != 1 {
                return Err(failed(RDKafkaErrorCode::BadMessage));
            }
            let topic = *described;
            let error = sys::rd_kafka_TopicDescription_error(topic);
            if !error.is_null() {
                check(sys::rd_kafka_error_code(error))?;
            }
            let id = sys::rd_kafka_TopicDescription_topic_id(topic);
            if id.is_null() {
                return Ok(None);
            }
            let high = sys::rd_kafka_Uuid_most_significant_bits(id);
            let low = sys::rd_kafka_Uuid_least_significant_bits(id);
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&high.to_be_bytes());
            bytes[8..].copy_from_slice(&low.to_be_bytes());
            Ok((bytes != [0; 16]).then_some(TopicId(bytes)))
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: it came from the queue, and is destroyed here alone.
            unsafe { sys::rd_kafka_event_destroy(self.0) }
        }
    }
}

fn check(error: sys::rd_kafka_resp_err_t) -> KafkaResult<()> {
    match RDKafkaErrorCode::from(error) {
        RDKafkaErrorCode::NoError => Ok(()),
        code => Err(failed(code)),
    }
}
