//! Waves: how instances find out, together, up to when every event is in the suppressions (`quell.watermarks`).
//!
//! An event is through when the record is processed and no message that it set off, directly or not, is on its way to
//! another instance. Nobody sees all partitions at one moment, so it takes two looks (after Mattern's algorithm for the
//! global virtual time, 1993):
//!
//! 1. When every shard has reported wave *n*, wave *n+1* begins: each instance looks how far its partitions go **now**,
//!    and notes the time.
//! 2. When it has processed them that far it reports, for each of its shards and in the same transaction: the time, and
//!    the lowest wave of any message that it took in since its last report.
//!
//! Input records belong to the first wave that waits for them, and messages to the wave of what set them off
//! ([`quell_graph::Wave`]). Let Z be a moment after the last report of wave *n* and before the first look of wave *n+1*.
//! By then, whatever was in the inputs at the looks of wave *n* is processed. A message that is on its way at Z lies
//! behind what was processed by then, and before what wave *n+1* sees as the end: its wave is in a report of wave *n+1*.
//! So if no report of wave *n+1* names a wave up to *n*, then none was on its way at Z, and since only messages of those
//! waves could bring more of them about, never will be again: **wave *n* is complete** (W2), and with it everything that
//! was in any input at the earliest of its looks.
//!
//! Who takes over a shard, or throws an epoch away, does not know what was taken in before, and says so: it names wave 0,
//! and no wave that had begun by then is complete before all of them are ([`Report::watched_from`]).
//!
//! An instance that owns all shards, and has sent itself nothing since its look, needs no second one.

use std::collections::BTreeMap;
use std::time::Duration;

use quell_domain::{Millis, ShardCount, ShardNumber};
use quell_graph::Wave;
use quell_wire::WatermarkMessage;

use crate::log::{InputPartition, Offset};

/// Waves that are not complete, and that are remembered.
const REMEMBERED_MAX: usize = 64;

/// Up to when all is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Complete {
    /// This wave is, and all before it.
    pub wave: Wave,
    /// What was in the inputs then is in the suppressions.
    pub through: Millis,
}

/// What one shard says at the end of a wave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// Which shard.
    pub shard: ShardNumber,
    /// Which wave.
    pub wave: Wave,
    /// When it was looked how far the inputs go.
    pub inputs_through: Millis,
    /// The lowest wave of the messages since the last report.
    pub messages_from: Wave,
    /// The first wave that was watched from its beginning.
    pub watched_from: Wave,
    /// What is complete, as far as the instance knows.
    pub complete: Option<Complete>,
}

/// A look at how far the partitions go.
#[derive(Debug)]
struct Look {
    wave: Wave,
    at: Millis,
    /// None until it is answered.
    ends: Option<BTreeMap<InputPartition, Offset>>,
    /// Messages may lie behind the ends in the graph topic.
    has_sent: bool,
}

/// What one instance knows of waves.
#[derive(Debug)]
pub struct Waves {
    shards: ShardCount,
    /// How long after a look the next one comes at the earliest.
    look_every: Duration,
    /// By wave: what the shards have said. Those that are complete are gone.
    reports: BTreeMap<Wave, BTreeMap<ShardNumber, Report>>,
    /// By shard: the last wave that it reported.
    last: BTreeMap<ShardNumber, Wave>,
    /// The wave that some shard has not reported yet.
    current: Wave,
    complete: Option<Complete>,
    /// What others have said so far is known.
    caught_up: bool,
    /// Whether other instances own shards.
    shared: bool,
    look: Option<Look>,
    /// The last wave that this instance has reported, since it last [forgot](Self::forget).
    reported: Wave,
    /// What it has reported and not seen yet.
    sent: Vec<Report>,
    /// Where each partition goes on, behind what epochs have taken.
    taken: BTreeMap<InputPartition, Offset>,
    /// The lowest wave of the messages that were taken since the last report; none while unknown.
    messages_from: Option<Wave>,
    /// The first wave that was watched from its beginning; none until one is.
    watched_from: Option<Wave>,
    look_at: Millis,
}

impl Waves {
    /// Nothing is known yet.
    pub fn new(shards: ShardCount, look_every: Duration) -> Self {
        Self {
            shards,
            look_every,
            reports: BTreeMap::new(),
            last: BTreeMap::new(),
            current: Wave::UNKNOWN.next(),
            complete: None,
            caught_up: false,
            shared: true,
            look: None,
            reported: Wave::UNKNOWN,
            sent: Vec::new(),
            taken: BTreeMap::new(),
            messages_from: None,
            watched_from: None,
            look_at: Millis(0),
        }
    }

    /// Up to when all is complete; none while unknown.
    pub fn complete(&self) -> Option<Complete> {
        self.complete
    }

    /// Whether other instances own shards. If that has changed, what was noted of waves before is not known here.
    pub fn set_shared(&mut self, shared: bool) {
        if shared != self.shared {
            self.shared = shared;
            self.lose_sight();
        }
    }

    /// Partitions came, or what was computed is thrown away: what was taken in since the last report is not known.
    pub fn forget(&mut self) {
        self.look = None;
        self.reported = Wave::UNKNOWN;
        self.taken.clear();
        self.messages_from = None;
        self.lose_sight();
    }

    /// What waves wait for may have been missed.
    pub fn lose_sight(&mut self) {
        self.watched_from = None;
        self.sent.clear();
    }

    /// Partitions went.
    pub fn release(&mut self, partitions: &[InputPartition]) {
        self.taken.retain(|partition, _| !partitions.contains(partition));
        // A question that is not answered yet is forgotten.
        self.look.take_if(|look| look.ends.is_none());
        if let Some(ends) = self.look.as_mut().and_then(|look| look.ends.as_mut()) {
            ends.retain(|partition, _| !partitions.contains(partition));
        }
    }

    // ---- what others say

    /// What stands in the topic has been read.
    pub fn catch_up(&mut self) {
        self.caught_up = true;
    }

    /// A shard says something, in the order of the topic.
    pub fn hear(&mut self, report: Report) {
        let last = self.last.entry(report.shard).or_default();
        *last = report.wave.max(*last);
        let last = |shard| self.last.get(&shard).copied().unwrap_or_default();
        self.current = self.shards.shards().map(last).min().unwrap_or_default().next();
        if let Some(complete) = report.complete {
            self.completed(complete);
        }
        if self.sent.contains(&report) && self.watched_from.is_none() {
            // Nobody was further than one wave beyond this when the report was written: all has been watched since.
            self.watched_from = self.last.values().max().map(|last| last.next());
        }
        self.sent.retain(|sent| *sent != report);
        if self.complete.is_none_or(|complete| report.wave >= complete.wave) {
            self.reports.entry(report.wave).or_default().insert(report.shard, report);
        }
        while self.reports.len() > REMEMBERED_MAX {
            self.reports.pop_first();
        }
        if let Some(complete) = self.conclude(report.wave) {
            self.completed(complete);
        }
    }

    /// What a wave's reports prove, if they are all there (W2).
    fn conclude(&self, wave: Wave) -> Option<Complete> {
        let reports = self.whole(wave)?;
        let lowest = reports.values().map(|report| report.messages_from).min()?;
        let watched_from = reports.values().map(|report| report.watched_from).max()?;
        let complete = wave.previous().min(lowest.previous());
        let through = self.whole(complete)?.values().map(|report| report.inputs_through).min()?;
        (complete >= watched_from).then_some(Complete { wave: complete, through })
    }

    /// The reports of a wave that every shard has reported.
    fn whole(&self, wave: Wave) -> Option<&BTreeMap<ShardNumber, Report>> {
        let reports = self.reports.get(&wave)?;
        self.shards.shards().all(|shard| reports.contains_key(&shard)).then_some(reports)
    }

    fn completed(&mut self, complete: Complete) {
        if self.complete.is_none_or(|known| complete.wave > known.wave) {
            // The time may be an earlier one: where a clock was ahead, and is right again.
            self.complete = Some(complete);
            self.reports.retain(|wave, _| *wave >= complete.wave);
        }
    }

    // ---- what is taken in

    /// The first wave that waits for an input record.
    pub fn of_input(&self, partition: InputPartition, offset: Offset) -> Wave {
        let ends = self.look.as_ref().and_then(|look| look.ends.as_ref());
        let is_seen = ends.and_then(|ends| ends.get(&partition)).is_none_or(|end| offset < *end);
        if is_seen { self.of_now() } else { self.of_now().next() }
    }

    /// The first wave that is reported with, or after, what happens now: what no record has set off belongs to it.
    pub fn of_now(&self) -> Wave {
        match &self.look {
            _ if !self.caught_up => Wave::UNKNOWN,
            Some(look) => look.wave,
            None => self.current.max(self.reported.next()),
        }
    }

    /// Until when a relaxation was to wait that may be published (W4). What restricts again may be on its way from any
    /// shard: all of it has come through once a wave is complete in which everybody looked after the wait. Where nobody
    /// tells of waves it is not waited for them.
    pub fn relaxes_through(&self, now: Millis) -> Millis {
        let waits = self.shared && self.caught_up;
        if waits { self.complete.map_or(Millis(0), |complete| complete.through.min(now)) } else { now }
    }

    /// An epoch takes records: where each partition goes on behind them.
    pub fn take(&mut self, next_offsets: &BTreeMap<InputPartition, Offset>) {
        self.taken.extend(next_offsets);
    }

    /// Messages of a wave go into an epoch.
    pub fn take_message(&mut self, wave: Wave) {
        if let Some(lowest) = &mut self.messages_from {
            *lowest = wave.min(*lowest);
        }
    }

    /// An epoch sends messages through the graph topic.
    pub fn send(&mut self) {
        if let Some(look) = &mut self.look {
            look.has_sent = true;
        }
        if !self.shared {
            self.lose_sight();
        }
    }

    // ---- looks and reports

    /// Whether it is time to look how far the partitions go.
    pub fn wants_look(&self, now: Millis) -> bool {
        self.caught_up && self.look.is_none() && now >= self.look_at && self.reported < self.current
    }

    /// The question is on its way. `is_sending`: an epoch that is not committed yet sends messages through the graph topic,
    /// and they may come to lie behind the ends that are seen.
    pub fn begin_look(&mut self, now: Millis, is_sending: bool) {
        self.look = Some(Look { wave: self.current, at: now, ends: None, has_sent: is_sending });
    }

    /// It is answered.
    pub fn looked(&mut self, ends: impl IntoIterator<Item = (InputPartition, Offset)>) {
        if let Some(look) = self.look.as_mut().filter(|look| look.ends.is_none()) {
            look.ends = Some(ends.into_iter().collect());
        }
    }

    /// Whether all has been taken up to the ends that were seen. `delivered` says of a partition whether everything
    /// before an end has been delivered, and is in an epoch by now.
    pub fn has_reached_the_ends(&self, delivered: impl Fn(InputPartition, Offset) -> bool) -> bool {
        let ends = self.look.as_ref().and_then(|look| look.ends.as_ref());
        let is_taken = |partition, end: Offset| self.taken.get(partition).is_some_and(|taken| *taken >= end);
        ends.is_some_and(|ends| ends.iter().all(|(of, end)| is_taken(of, *end) || delivered(*of, *end)))
    }

    /// What is to be said of these shards, in the epoch with which the ends are reached.
    pub fn report(&mut self, shards: &[ShardNumber], now: Millis) -> Vec<Report> {
        let Some(look) = self.look.take() else { return Vec::new() };
        self.look_at = now.max(look.at + self.look_every);
        let is_alone = !self.shared && !look.has_sent;
        let complete = is_alone.then_some(Complete { wave: look.wave, through: look.at });
        let is_behind = |shard: &&ShardNumber| self.last.get(shard).is_none_or(|last| *last < look.wave);
        let report = |shard: &ShardNumber| Report {
            shard: *shard,
            wave: look.wave,
            inputs_through: look.at,
            messages_from: self.messages_from.unwrap_or(Wave::UNKNOWN),
            watched_from: self.watched_from.unwrap_or(Wave::NONE),
            complete: complete.or(self.complete),
        };
        let reports: Vec<Report> = shards.iter().filter(is_behind).map(report).collect();
        if !reports.is_empty() {
            self.reported = look.wave;
            self.messages_from = Some(Wave::NONE);
            self.sent.clone_from(&reports);
        }
        reports
    }
}

impl Report {
    /// As it stands in the topic.
    #[must_use]
    pub fn message(&self, shards: ShardCount, now: Millis) -> WatermarkMessage {
        WatermarkMessage {
            shard: i32::try_from(self.shard.0).unwrap_or(i32::MAX),
            shards: i32::try_from(shards.get()).unwrap_or(i32::MAX),
            complete_through: self.complete.map_or(0, |complete| complete.through.0),
            observed_at: now.0,
            wave: written(self.wave),
            inputs_through: self.inputs_through.0,
            messages_from: written(self.messages_from),
            watched_from: written(self.watched_from),
            complete_wave: self.complete.map_or(0, |complete| written(complete.wave)),
        }
    }

    /// What stands there, if it is about one of so many shards.
    #[must_use]
    pub fn of(message: &WatermarkMessage, shards: ShardCount) -> Option<Self> {
        let shard = ShardNumber(u32::try_from(message.shard).ok()?);
        let is_one_of_ours = shard.0 < shards.get() && i64::from(message.shards) == i64::from(shards.get());
        let complete = Complete { wave: read(message.complete_wave), through: Millis(message.complete_through) };
        is_one_of_ours.then(|| Self {
            shard,
            wave: read(message.wave),
            inputs_through: Millis(message.inputs_through),
            messages_from: read(message.messages_from),
            watched_from: read(message.watched_from),
            complete: (complete.wave > Wave::UNKNOWN).then_some(complete),
        })
    }
}

/// No wave ever has so large a number, but [`Wave::NONE`].
fn written(wave: Wave) -> i64 {
    i64::try_from(wave.0).unwrap_or(i64::MAX)
}

fn read(number: i64) -> Wave {
    if number == i64::MAX { Wave::NONE } else { Wave(u64::try_from(number).unwrap_or(0)) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test may panic")]

    use super::*;

    const GRAPH: InputPartition = InputPartition { topic: crate::log::InputTopic::Graph, partition: 0 };

    fn two_shards() -> Waves {
        let mut waves = Waves::new(ShardCount::new(2).unwrap(), Duration::from_millis(100));
        waves.catch_up();
        waves
    }

    /// One that owns a shard of two: it looks, reaches the ends at once, and reports.
    fn round(waves: &mut Waves, shard: u32, now: i64) -> Report {
        assert!(waves.wants_look(Millis(now)));
        waves.begin_look(Millis(now), false);
        waves.looked([(GRAPH, Offset(0))]);
        assert!(waves.has_reached_the_ends(|_, _| true));
        waves.report(&[ShardNumber(shard)], Millis(now + 5)).pop().unwrap()
    }

    fn both_hear(one: &mut Waves, other: &mut Waves, reports: [Report; 2]) {
        for report in reports {
            one.hear(report);
            other.hear(report);
        }
    }

    /// So many rounds of two instances, each 1,000 ms long.
    fn rounds(one: &mut Waves, other: &mut Waves, numbers: std::ops::Range<i64>) {
        for number in numbers {
            let reports = [round(one, 0, number * 1_000), round(other, 1, number * 1_000 + 30)];
            both_hear(one, other, reports);
        }
    }

    #[test]
    fn a_wave_is_complete_once_the_next_has_met_no_message_of_it() {
        let (mut one, mut other) = (two_shards(), two_shards());
        // What either took in before its first report is unknown, and which waves it has watched from their beginning.
        rounds(&mut one, &mut other, 1..4);
        assert_eq!(one.complete(), Some(Complete { wave: Wave(2), through: Millis(2_000) }));
        one.take_message(Wave(3));
        rounds(&mut one, &mut other, 4..5);
        assert_eq!(one.complete().unwrap().wave, Wave(2), "a message of wave 3 was on its way");
        rounds(&mut one, &mut other, 5..6);
        assert_eq!(one.complete(), Some(Complete { wave: Wave(4), through: Millis(4_000) }));
        assert_eq!(other.complete(), one.complete());
    }

    #[test]
    fn nobody_begins_a_wave_before_all_have_ended_the_last() {
        let (mut one, mut other) = (two_shards(), two_shards());
        let reported = round(&mut one, 0, 1_000);
        one.hear(reported);
        assert!(!one.wants_look(Millis(9_000)), "the other has not reported");
        other.hear(reported);
        let reported = round(&mut other, 1, 2_000);
        one.hear(reported);
        assert!(one.wants_look(Millis(9_000)));
    }

    #[test]
    fn a_record_belongs_to_the_first_wave_whose_look_has_seen_it() {
        let mut waves = two_shards();
        assert_eq!(waves.of_input(GRAPH, Offset(5)), Wave(1));
        waves.begin_look(Millis(1), false);
        assert_eq!(waves.of_input(GRAPH, Offset(5)), Wave(1), "the look may have seen it");
        waves.looked([(GRAPH, Offset(6))]);
        assert_eq!(waves.of_input(GRAPH, Offset(5)), Wave(1));
        assert_eq!(waves.of_input(GRAPH, Offset(6)), Wave(2));
        waves.report(&[ShardNumber(0)], Millis(2));
        assert_eq!(waves.of_input(GRAPH, Offset(6)), Wave(2));
    }

    #[test]
    fn who_owns_all_shards_needs_one_look() {
        let mut waves = two_shards();
        waves.set_shared(false);
        waves.begin_look(Millis(1_000), false);
        waves.looked([]);
        let both = [ShardNumber(0), ShardNumber(1)];
        let reports = waves.report(&both, Millis(1_005));
        assert_eq!(waves.complete(), None, "not before it is committed");
        reports.into_iter().for_each(|report| waves.hear(report));
        assert_eq!(waves.complete(), Some(Complete { wave: Wave(1), through: Millis(1_000) }));
        waves.begin_look(Millis(2_000), false);
        waves.looked([]);
        waves.send();
        waves.report(&both, Millis(2_005)).into_iter().for_each(|report| waves.hear(report));
        assert_eq!(waves.complete().unwrap().wave, Wave(1), "it has sent itself something since");
    }

    #[test]
    fn after_a_hand_over_nothing_is_complete_before_all_that_had_begun_is() {
        let (mut one, mut other) = (two_shards(), two_shards());
        rounds(&mut one, &mut other, 1..5);
        let complete = one.complete();
        one.forget();
        rounds(&mut one, &mut other, 5..6);
        assert_eq!(one.complete(), complete, "it does not know what it took in");
        rounds(&mut one, &mut other, 6..7);
        assert_eq!(one.complete(), complete, "nor which waves wait for what");
        rounds(&mut one, &mut other, 7..8);
        assert_eq!(one.complete().unwrap().wave, Wave(6));
    }

    #[test]
    fn what_no_record_has_set_off_belongs_to_the_wave_that_is_reported_next() {
        let mut waves = two_shards();
        assert_eq!(waves.of_now(), Wave(1));
        waves.begin_look(Millis(1), false);
        waves.looked([(GRAPH, Offset(6))]);
        assert_eq!(waves.of_now(), Wave(1), "the report follows");
        waves.report(&[ShardNumber(0)], Millis(2));
        assert_eq!(waves.of_now(), Wave(2));
    }

    #[test]
    fn where_a_clock_was_ahead_what_it_has_said_is_not_said_again() {
        let (mut one, mut other) = (two_shards(), two_shards());
        rounds(&mut one, &mut other, 901..904);
        assert_eq!(one.complete().unwrap().through, Millis(902_000));
        for waves in [&mut one, &mut other] {
            waves.look_at = Millis(0);
        }
        rounds(&mut one, &mut other, 4..6);
        assert_eq!(one.complete(), Some(Complete { wave: Wave(4), through: Millis(4_000) }));
    }

    #[test]
    fn a_relaxation_waits_for_a_wave_that_began_after_its_time() {
        let mut waves = Waves::new(ShardCount::new(2).unwrap(), Duration::ZERO);
        assert_eq!(waves.relaxes_through(Millis(9_000)), Millis(9_000), "nobody tells of waves");
        waves.catch_up();
        assert_eq!(waves.relaxes_through(Millis(9_000)), Millis(0), "nothing is known");
        let (mut one, mut other) = (two_shards(), two_shards());
        rounds(&mut one, &mut other, 1..4);
        assert_eq!(one.relaxes_through(Millis(9_000)), Millis(2_000));
        one.set_shared(false);
        assert_eq!(one.relaxes_through(Millis(9_000)), Millis(9_000), "nothing is on its way from others");
    }

    #[test]
    fn what_is_reported_stands_in_the_topic() {
        let shards = ShardCount::new(2).unwrap();
        let report = Report {
            shard: ShardNumber(1),
            wave: Wave(7),
            inputs_through: Millis(70),
            messages_from: Wave::NONE,
            watched_from: Wave(3),
            complete: Some(Complete { wave: Wave(6), through: Millis(60) }),
        };
        assert_eq!(Report::of(&report.message(shards, Millis(75)), shards), Some(report));
        let unknown = Report { complete: None, messages_from: Wave::UNKNOWN, ..report };
        assert_eq!(Report::of(&unknown.message(shards, Millis(75)), shards), Some(unknown));
        assert_eq!(Report::of(&report.message(shards, Millis(75)), ShardCount::new(3).unwrap()), None);
    }
}
