//! Avro's binary encoding of our own schemas, straight from and to bytes; strings are borrowed.

mod reader;
mod records;
mod writer;

pub(crate) use records::{ack, choice, link, review, suppression, watermark};
pub(crate) use writer::{
    write_ack, write_choice, write_decision, write_link, write_review, write_suppression, write_watermark,
};
