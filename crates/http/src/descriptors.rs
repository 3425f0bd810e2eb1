//! Descriptors: a process may have so many, and each connection takes one.
//!
//! Files and what speaks with Kafka take some, too, and come later: connections that took all of them would stop what the
//! process is there for.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::limits::Limits;

/// A process with hardly any descriptors answers nevertheless, so that it can be asked how it is.
const CONNECTIONS_MIN: usize = 16;

/// Lets this process have as many descriptors as it may. The lower limit that many systems begin with is for programs
/// that call `select`, which knows no more than 1,024; nothing here does.
pub fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    // A system that says no leaves what there was.
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap_or_default();
}

/// How many connections there can be at once in this process.
pub(crate) fn connections_max(limits: &Limits) -> usize {
    let room = room(limits, getrlimit(Resource::Nofile).current);
    if room < limits.connections_max {
        tracing::warn!(
            connections = room,
            wanted = limits.connections_max,
            "the limit of open files leaves room for few connections; raise its hard limit (ulimit -Hn)"
        );
    }
    room
}

fn room(limits: &Limits, descriptors: Option<u64>) -> usize {
    let descriptors = descriptors.and_then(|count| usize::try_from(count).ok()).unwrap_or(usize::MAX);
    let left = descriptors.saturating_sub(limits.descriptors_kept).max(CONNECTIONS_MIN);
    limits.connections_max.min(left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_what_files_and_kafka_need() {
        let limits = Limits { connections_max: 4_096, descriptors_kept: 256, ..Limits::default() };
        for (descriptors, expected) in
            [(None, 4_096), (Some(1 << 20), 4_096), (Some(4_352), 4_096), (Some(1_024), 768), (Some(256), 16)]
        {
            assert_eq!(room(&limits, descriptors), expected, "of {descriptors:?}");
        }
        assert_eq!(room(&Limits::default(), Some(1_024)), 256, "what many systems begin with is enough for an engine");
    }
}
