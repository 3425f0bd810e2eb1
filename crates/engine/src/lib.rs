//! The epoch.

pub mod log;
pub mod store;
