//! Bytes to events and back, and why a record is refused
