//! Taking up a changed policy while the gate answers: whole, or not at all.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;

use quell_gate::Gate;
use quell_telemetry::gate::{GateEvent as _, GateMetrics, PolicyRefused, PolicyTaken};

use super::policy::rules;
use crate::config::GateConfig;

/// What tells one content of a file from another without reading it: a file that takes its place has another number.
type Stamp = (u64, u64, u64, i64, i64);

/// The policy's file, watched.
pub struct PolicyFile<'a> {
    config: &'a GateConfig,
    /// As it was at the last look.
    last: Option<Stamp>,
    /// As it was when it was read last.
    read: Option<Stamp>,
}

impl<'a> PolicyFile<'a> {
    /// The one that has just been read.
    pub fn new(config: &'a GateConfig) -> Self {
        let now = stamp(config);
        Self { config, last: now, read: now }
    }

    /// Looks whether it has changed, and takes it up. One that is still being written is left alone: until two looks see
    /// the same.
    pub fn look(&mut self, gate: &Gate, metrics: &GateMetrics) {
        let now = stamp(self.config);
        let is_settled = now == self.last;
        self.last = now;
        if is_settled && now.is_some() && now != self.read {
            self.take_up(gate, metrics);
        }
    }

    /// Takes it up, for somebody said that it has changed. Else the gate holds to what it has.
    pub fn take_up(&mut self, gate: &Gate, metrics: &GateMetrics) {
        self.read = stamp(self.config);
        let old = gate.rules();
        let new = match rules(self.config, gate.suppressions().right_bits()) {
            Ok(new) => new,
            Err(error) => return PolicyRefused { reason: &error.to_string() }.emit(metrics),
        };
        if new.topic() != old.topic() {
            let reason = format!(
                "downstreams.{}.topic is \"{}\", and the gate reads {}; restart it to read another",
                self.config.downstream,
                new.topic(),
                old.topic()
            );
            return PolicyRefused { reason: &reason }.emit(metrics);
        }
        let (version, sha256) = (new.version().to_owned(), new.fingerprint().to_owned());
        gate.set_rules(new);
        PolicyTaken { version: &version, sha256: &sha256 }.emit(metrics);
    }
}

/// None while it cannot be looked at: a file that is being replaced is gone for a moment.
fn stamp(config: &GateConfig) -> Option<Stamp> {
    let of = |file: Metadata| (file.dev(), file.ino(), file.len(), file.mtime(), file.mtime_nsec());
    std::fs::metadata(&config.policy_path).ok().map(of)
}
