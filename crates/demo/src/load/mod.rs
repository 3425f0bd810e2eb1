//! The load: many consumers at once, and what it costs the engine.

mod causes;
mod meter;
mod pace;
mod population;

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{RecvTimeoutError, Sender as Told, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use quell_domain::Policy;
use quell_wire::Format;

use crate::chance::mix_all;
use crate::clock;
use crate::metrics::{Metrics, Samples};
use crate::sender::Sender;
use crate::terminal::{Terminal, in_words, thousands};
use crate::watcher::Watcher;
use causes::Causes;
use meter::{Caused, Meter, Percentiles};
use pace::{Advance, Pace, Progress};
use population::{Event, Population};

/// How often the live line is written.
const LINE_EVERY: Duration = Duration::from_secs(1);
/// How often the engine's counters are read.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// An engine for which nothing moves for so long will not go on by itself.
const STANDSTILL_MAX: Duration = Duration::from_secs(60);
/// One record of so many is sent as JSON, the others as Avro.
const JSON_EVERY: u64 = 16;

/// What the live line says.
const COLUMNS: [&str; 7] = ["time", "done", "events/s", "suppressions/s", "p50", "p99", "lag"];

/// The load's surroundings.
pub struct Surroundings<'a> {
    /// The policy that the engine runs with.
    pub policy: &'a Policy,
    /// How many consumers.
    pub consumers: u32,
    /// Records per second; none: as many as the engine takes.
    pub rate: Option<f64>,
    /// Where all chance comes from.
    pub seed: u64,
    /// How long a relaxation is held.
    pub relax_after: Duration,
    /// To the input topics.
    pub sender: &'a Sender,
    /// From the output topics.
    pub watcher: &'a Watcher,
    /// To ask the engine how far it is.
    pub metrics: &'a Metrics,
}

/// What the load came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Records sent.
    pub events: u64,
    /// Until the engine had committed all of them.
    pub took: Duration,
    /// Suppressions that arrived while it ran, by downstream.
    pub suppressions: BTreeMap<String, u64>,
    /// Dead letters that arrived while it ran, by code.
    pub dead_letters: BTreeMap<String, u64>,
    /// Whether the engine had as much to do as it could take.
    pub was_full: bool,
    /// From sending to arrival, where the cause is known.
    pub propagation: Option<Percentiles>,
}

/// Sends it all, shows what happens every second, and returns when the engine has nothing left to do.
///
/// # Errors
/// When the engine or Kafka does not go on.
pub fn run(around: &Surroundings<'_>, terminal: &mut Terminal) -> anyhow::Result<Outcome> {
    terminal.line(format!("\nThe load: {} consumers.", thousands(around.consumers.into())))?;
    let (population, events) = Population::new(around.seed, around.consumers, clock::now());
    let total = events.len() as u64;
    terminal.line(format!(
        "{} events, in random order, on random partitions, {}.",
        thousands(total),
        around.rate.map_or_else(|| "as fast as the engine keeps up".to_owned(), |rate| format!("{rate} per second"))
    ))?;
    terminal.line("p50 and p99: propagation, from the sending of a cause to the suppression at a reader.\n")?;
    terminal.line(row(COLUMNS))?;
    let progress = Progress::default();
    let (told, causes) = channel();
    let Surroundings { policy, sender, seed, rate, .. } = *around;
    let mut watch = Watch::new(around, &progress, Meter::new(causes), total);
    // Before the first record is sent: what the engine took earlier does not count.
    watch.look()?;
    thread::scope(|scope| {
        let (events, progress, population) = (&events, &progress, &population);
        let sending = Sending { policy, sender, seed, pace: Pace::new(rate, progress), population, told };
        let sending = scope.spawn(move || sending.send(events, progress));
        let watched = watch.until(terminal, || sending.is_finished());
        progress.stop.store(true, Ordering::Relaxed);
        let sent = sending.join().map_err(|_| anyhow!("the sending thread has panicked"))?;
        watched.and(sent)?;
        watch.settle(terminal)
    })?;
    Ok(watch.outcome())
}

/// The thread that sends.
struct Sending<'a> {
    policy: &'a Policy,
    sender: &'a Sender,
    seed: u64,
    pace: Pace<'a>,
    population: &'a Population,
    told: Told<Caused>,
}

impl Sending<'_> {
    fn send(&self, events: &[Event], progress: &Progress) -> anyhow::Result<()> {
        let mut causes = Causes::new(self.population);
        for (number, event) in (0u64..).zip(events) {
            // Whoever no longer watches has failed already, and says so.
            if !self.pace.wait(number) || !self.tell(&mut causes, *event)? {
                return Ok(());
            }
            let chance = mix_all(&[self.seed, 30, number]);
            let format = if chance.is_multiple_of(JSON_EVERY) { Format::Json } else { Format::Avro };
            self.sender.send(&self.population.message(*event), format, chance)?;
            progress.sent.fetch_add(1, Ordering::Relaxed);
        }
        self.sender.flush()
    }

    /// Tells the meter what an event will bring about; false if it does not listen any more.
    fn tell(&self, causes: &mut Causes<'_>, event: Event) -> anyhow::Result<bool> {
        for (node, by) in causes.send(event) {
            let named = self.population.named(event.consumer, node);
            let identifier = self.policy.identify(&named.identifier_type, &named.value);
            let identifier = identifier.map_err(|refusal| anyhow!("an identifier of the load: {}", refusal.message))?;
            if self.told.send(Caused { key: identifier.key(), by, at: Instant::now() }).is_err() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// What is seen while the load runs.
struct Watch<'a> {
    around: &'a Surroundings<'a>,
    progress: &'a Progress,
    meter: Meter,
    total: u64,
    began_at: Instant,
    all_taken_at: Option<Instant>,
    taken: Advance,
    samples: Samples,
    looked_at: Instant,
    line: Line,
    moved: (u64, u64, Option<u64>),
    moved_at: Instant,
}

/// What the last live line said, from which the next one's rates follow.
struct Line {
    at: Instant,
    taken: u64,
    arrived: u64,
}

impl<'a> Watch<'a> {
    fn new(around: &'a Surroundings<'a>, progress: &'a Progress, meter: Meter, total: u64) -> Self {
        let now = Instant::now();
        Self {
            around,
            progress,
            meter,
            total,
            began_at: now,
            all_taken_at: None,
            taken: Advance::default(),
            samples: Samples::default(),
            looked_at: now,
            line: Line { at: now, taken: 0, arrived: 0 },
            moved: Default::default(),
            moved_at: now,
        }
    }

    /// Watches until something is so.
    fn until(&mut self, terminal: &mut Terminal, mut is_so: impl FnMut() -> bool) -> anyhow::Result<()> {
        while !is_so() {
            self.watch(terminal)?;
        }
        Ok(())
    }

    /// Watches until the engine has nothing left to do: no record waits, and no relaxation is held.
    fn settle(&mut self, terminal: &mut Terminal) -> anyhow::Result<()> {
        let mut idle_since: Option<Instant> = None;
        loop {
            let before = self.looked_at;
            self.watch(terminal)?;
            if self.looked_at == before {
                continue;
            }
            let waits = self.progress.taken.load(Ordering::Relaxed) < self.total;
            let lag = self.samples.sum("quell_consumer_lag_records", "");
            if waits || lag != Some(0.0) {
                idle_since = None;
                continue;
            }
            let idle_for = idle_since.get_or_insert(self.looked_at).elapsed();
            let none_held = match self.held() {
                Some(held) => held == 0,
                None => idle_for > self.around.relax_after + LINE_EVERY,
            };
            // Twice a second apart, since a scrape may come between a record's arrival and its being counted.
            if idle_for >= LINE_EVERY && none_held {
                return Ok(());
            }
        }
    }

    /// Takes what arrives for a moment, and looks at the engine and writes the live line when it is time.
    fn watch(&mut self, terminal: &mut Terminal) -> anyhow::Result<()> {
        let next_look = self.looked_at + LOOK_EVERY;
        match self.around.watcher.arrivals.recv_timeout(next_look.saturating_duration_since(Instant::now())) {
            Ok(arrival) => self.meter.take(arrival)?,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => bail!("the reader of the suppressions has ended"),
        }
        if Instant::now() >= next_look {
            self.look()?;
        }
        if self.line.at.elapsed() >= LINE_EVERY {
            let text = self.live_line();
            terminal.live(text)?;
        }
        Ok(())
    }

    fn look(&mut self) -> anyhow::Result<()> {
        self.samples = self.around.metrics.scrape()?;
        self.looked_at = Instant::now();
        let taken = self.taken.look(self.samples.sum("quell_events_total", "").unwrap_or(0.0));
        self.progress.taken.store(taken, Ordering::Relaxed);
        if taken >= self.total && self.all_taken_at.is_none() {
            self.all_taken_at = Some(self.looked_at);
        }
        let held = self.held();
        let moved = (taken, self.meter.arrived(), held);
        if moved != self.moved {
            (self.moved, self.moved_at) = (moved, self.looked_at);
        }
        if self.moved_at.elapsed() > STANDSTILL_MAX {
            let (lag, sent) = (self.lag(), self.progress.sent.load(Ordering::Relaxed));
            return Err(anyhow!("{taken} of {sent} records committed, lag {lag}, relaxations held: {held:?}"))
                .with_context(|| format!("nothing has moved for {}", in_words(STANDSTILL_MAX)));
        }
        Ok(())
    }

    /// How many identifiers have a relaxation that waits, if the engine says so.
    fn held(&self) -> Option<u64> {
        self.samples.sum("quell_deferred_relaxations", "").map(whole)
    }

    fn lag(&self) -> String {
        let lag = self.samples.sum("quell_consumer_lag_records", "");
        lag.map_or_else(|| "unknown".to_owned(), |lag| thousands(whole(lag)))
    }

    fn live_line(&mut self) -> String {
        let (taken, arrived) = (self.progress.taken.load(Ordering::Relaxed), self.meter.arrived());
        let seconds = self.line.at.elapsed().as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "counts of one second")]
        let rate = |now: u64, before: u64| thousands(whole(now.saturating_sub(before) as f64 / seconds));
        let times = self.meter.window();
        let time = |of: fn(Percentiles) -> Duration| times.map_or_else(|| "-".to_owned(), |times| in_words(of(times)));
        let text = row([
            &in_words(Duration::from_secs(self.began_at.elapsed().as_secs())),
            &format!("{} %", (taken * 100).checked_div(self.total).unwrap_or(100).min(100)),
            &rate(taken, self.line.taken),
            &rate(arrived, self.line.arrived),
            &time(|times| times.p50),
            &time(|times| times.p99),
            &self.lag(),
        ]);
        self.line = Line { at: Instant::now(), taken, arrived };
        text
    }

    fn outcome(mut self) -> Outcome {
        let all_taken_at = self.all_taken_at.unwrap_or(self.looked_at);
        Outcome {
            events: self.total,
            took: all_taken_at.saturating_duration_since(self.began_at),
            was_full: self.around.rate.is_none(),
            propagation: self.meter.all(),
            suppressions: self.meter.suppressions,
            dead_letters: self.meter.dead_letters,
        }
    }
}

/// One row under [`COLUMNS`]; narrow enough for the narrowest terminal.
fn row([time, done, events, suppressions, p50, p99, lag]: [&str; 7]) -> String {
    format!("  {time:>6}  {done:>5}  {events:>10}  {suppressions:>14}  {p50:>7}  {p99:>7}  {lag:>9}")
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count, or a rate of counts")]
fn whole(number: f64) -> u64 {
    number.round() as u64
}
