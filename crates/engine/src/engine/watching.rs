//! What is through: this instance's part in the waves.

use quell_domain::Millis;
use quell_wire::WatermarkMessage;

use super::Engine;
use crate::epoch::Draft;
use crate::log::{Log, Output, OutputTopic};
use crate::store::Store;
use crate::waves::Report;

impl<L: Log, S: Store> Engine<L, S> {
    /// What instances have said, this one among them. Others' nonsense says nothing.
    pub(super) fn hear_of_waves(&mut self, records: &[Vec<u8>]) {
        for record in records {
            let message = self.decoder.watermark(Some(record)).ok();
            if let Some(report) = message.and_then(|message| Report::of(&message, self.settings.shards)) {
                self.waves.hear(report);
            }
        }
        self.waves.catch_up();
    }

    /// Looks how far the partitions go, if a wave begins.
    pub(super) fn look(&mut self) {
        let now = self.now();
        let is_settled = self.leaving.is_empty() && !self.abandoned && !self.draining;
        if is_settled && !self.assigned.is_empty() && self.waves.wants_look(now) {
            let uncommitted = [&self.computed, &self.in_flight].into_iter().flatten();
            let is_sending = uncommitted.map(|computed| computed.facts.remote_operations).sum::<u64>() > 0;
            self.waves.begin_look(now, is_sending);
            self.log.look();
        }
    }

    /// Whether this epoch, and those before it, have taken all that the look of this wave has seen.
    pub(super) fn reaches_the_ends(&self) -> bool {
        let (log, backlog) = (&self.log, &self.backlog);
        // What this instance does not understand was delivered, and not taken.
        let is_settled =
            self.leaving.is_empty() && self.ahead.is_empty() && self.shards.still_restoring().next().is_none();
        is_settled
            && self.waves.has_reached_the_ends(|partition, end| {
                log.has_delivered(partition, end) && !backlog.has_records_of(partition)
            })
    }

    /// Tells the shards which waves are complete, and whether there are others.
    pub(super) fn set_waves(&mut self, now: Millis) {
        let shared = self.shards.active_numbers().len() < self.settings.shards.get() as usize;
        self.waves.set_shared(shared);
        let complete = self.waves.complete().map(|complete| complete.wave).unwrap_or_default();
        let relaxes_through = self.waves.relaxes_through(now);
        for shard in self.shards.active() {
            if shard.set_waves(shared, complete, relaxes_through) {
                self.waves.lose_sight();
            }
        }
    }

    /// Adds to an epoch what its shards say at the end of a wave.
    pub(super) fn report_wave(&mut self, now: Millis, draft: &mut Draft) {
        // What this epoch has forgotten counts.
        self.set_waves(now);
        let shards = self.settings.shards;
        for report in self.waves.report(&self.shards.active_numbers(), now) {
            let message: WatermarkMessage = report.message(shards, now);
            match self.encoder.watermark(&self.settings.watermarks, &message) {
                Ok(value) => draft.outputs.push(Output {
                    topic: OutputTopic::Watermarks,
                    key: Some(report.shard.0.to_string().into_bytes()),
                    value: Some(value),
                    headers: Vec::new(),
                }),
                // Whoever waits for it sees that nothing comes.
                Err(error) => {
                    self.registry_stalled = true;
                    self.observer.registry_stalled(&error.to_string());
                }
            }
        }
    }
}
