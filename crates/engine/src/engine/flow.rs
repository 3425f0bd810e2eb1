//! What flows in: graph messages to active shards, inputs when nothing holds them.

use std::collections::BTreeSet;

use quell_domain::ShardNumber;

use super::Engine;
use crate::log::Log;
use crate::observer::Hold;
use crate::store::Store;

impl<L: Log, S: Store> Engine<L, S> {
    /// Lets flow what can be taken: graph messages to active shards, inputs when nothing holds them.
    pub(super) fn steer(&mut self) {
        let hold = self.hold();
        if hold != self.held {
            self.held = hold;
            if let Some(why) = hold {
                self.observer.inputs_held(why);
            }
        }
        let restoring: BTreeSet<ShardNumber> = self.shards.still_restoring().map(|(shard, _)| shard).collect();
        let (mut pause, mut resume) = (Vec::new(), Vec::new());
        for partition in &self.assigned {
            let is_paused = self.paused.contains(partition);
            let flows = match partition.shard() {
                Some(_) if self.ahead.contains_key(partition) => false,
                // They may take as much room again as the inputs, so that they never wait for these.
                Some(shard) => !restoring.contains(&shard) && self.backlog.bytes() < 2 * self.room(is_paused),
                None => hold.is_none(),
            };
            if flows == is_paused {
                if flows { resume.push(*partition) } else { pause.push(*partition) }
            }
        }
        if !pause.is_empty() {
            self.paused.extend(&pause);
            self.log.pause(&pause);
        }
        if !resume.is_empty() {
            self.paused.retain(|partition| !resume.contains(partition));
            self.log.resume(&resume);
        }
    }

    /// What keeps the inputs from being read, if anything.
    fn hold(&self) -> Option<Hold> {
        let is_held = self.held.is_some();
        // What is for a shard that is being restored waits in the graph topic: fine for some shards, so that those that
        // stay keep working while others move; but with most of them away, all would only be written twice.
        if 2 * self.shards.still_restoring().count() > self.shards.count() {
            return Some(Hold::Restoring);
        }
        // The graph's messages are what earlier inputs have set off. Whoever takes in more before they are through only
        // gets further behind.
        let graph = self.assigned.iter().filter(|partition| partition.shard().is_some());
        let undelivered: u64 = graph.filter_map(|partition| self.log.undelivered(*partition)).sum();
        let behind = undelivered + self.backlog.graph_records();
        let behind_max = self.settings.graph_behind_max;
        if behind > if is_held { behind_max / 2 } else { behind_max } {
            return Some(Hold::GraphBehind);
        }
        (self.backlog.bytes() >= self.room(is_held)).then_some(Hold::Full)
    }

    /// How many bytes of records may wait. Once paused, half of it must have been taken: not on and off with every
    /// record.
    fn room(&self, is_paused: bool) -> usize {
        let full = self.settings.backlog_bytes_max;
        if is_paused { full / 2 } else { full }
    }
}
