//! Producing in transactions. There are no delivery reports: a commit fails if a record did.

use std::collections::BTreeMap;
use std::ffi::c_int;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rdkafka_sys as rd;

use super::{GroupMetadata, Outcome, c_string, check_error, name_of, new_client};

/// How long the broker may take for anything. It is on this machine; a minute means that it is gone.
const TIMEOUT_MILLIS: c_int = 60_000;
const TIMEOUT: Duration = Duration::from_secs(60);
/// Short against a transaction.
const NAP: Duration = Duration::from_micros(100);

/// A transactional producer. It is never closed: it ends with the process.
pub struct Producer(*mut rd::rd_kafka_t);

/// A topic of a producer.
pub struct Topic(*mut rd::rd_kafka_topic_t);

impl Producer {
    pub fn new(settings: &[(&str, &str)]) -> Outcome<Self> {
        new_client(rd::rd_kafka_type_t::RD_KAFKA_PRODUCER, settings).map(Self)
    }

    pub fn topic(&self, name: &str) -> Topic {
        let name = c_string(name).unwrap_or_default();
        // SAFETY: the name is copied; the topic lives as long as the process, as its client does.
        Topic(unsafe { rd::rd_kafka_topic_new(self.0, name.as_ptr(), std::ptr::null_mut()) })
    }

    pub fn init_transactions(&self) -> Outcome<()> {
        // SAFETY: the client lives as long as the process; the same below.
        unsafe { check_error("init_transactions", rd::rd_kafka_init_transactions(self.0, TIMEOUT_MILLIS)) }
    }

    pub fn begin(&self) -> Outcome<()> {
        // SAFETY: as above.
        unsafe { check_error("begin_transaction", rd::rd_kafka_begin_transaction(self.0)) }
    }

    /// Copies key and value; waits while the queue is full.
    pub fn send(&self, topic: &Topic, partition: i32, key: &[u8], value: &[u8]) -> Outcome<()> {
        loop {
            // SAFETY: with F_COPY librdkafka has copied key and value when it returns.
            let sent = unsafe {
                rd::rd_kafka_produce(
                    topic.0,
                    partition,
                    rd::RD_KAFKA_MSG_F_COPY as c_int,
                    value.as_ptr().cast_mut().cast(),
                    value.len(),
                    key.as_ptr().cast(),
                    key.len(),
                    std::ptr::null_mut(),
                )
            };
            if sent == 0 {
                return Ok(());
            }
            // SAFETY: it reads a variable of this thread.
            match unsafe { rd::rd_kafka_last_error() } {
                rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__QUEUE_FULL => sleep(NAP),
                code => return Err(format!("produce: {}", name_of(code))),
            }
        }
    }

    /// Returns when the broker has every record. librdkafka's own flush looks only every 10 ms when no delivery report
    /// wakes it.
    pub fn flush(&self) -> Outcome<()> {
        let began = Instant::now();
        // SAFETY: as above.
        while unsafe { rd::rd_kafka_outq_len(self.0) } > 0 {
            if began.elapsed() > TIMEOUT {
                return Err(format!("not delivered after {TIMEOUT:?}"));
            }
            sleep(NAP);
        }
        Ok(())
    }

    pub fn send_offsets(
        &self,
        next: &BTreeMap<(usize, i32), i64>,
        names: &[&str],
        group: &GroupMetadata,
    ) -> Outcome<()> {
        // SAFETY: the list is made, used and destroyed here; its names are copied; the group's metadata lives on.
        unsafe {
            let list = rd::rd_kafka_topic_partition_list_new(next.len() as c_int);
            for ((topic, partition), offset) in next {
                let name = c_string(names[*topic])?;
                let added = rd::rd_kafka_topic_partition_list_add(list, name.as_ptr(), *partition);
                (*added).offset = *offset;
            }
            let sent = rd::rd_kafka_send_offsets_to_transaction(self.0, list, group.0, TIMEOUT_MILLIS);
            rd::rd_kafka_topic_partition_list_destroy(list);
            check_error("send_offsets_to_transaction", sent)
        }
    }

    pub fn commit(&self) -> Outcome<()> {
        // SAFETY: as above.
        unsafe { check_error("commit_transaction", rd::rd_kafka_commit_transaction(self.0, TIMEOUT_MILLIS)) }
    }
}
