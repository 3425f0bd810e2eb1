//! The log port on librdkafka, and the topics
