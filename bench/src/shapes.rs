//! Streams and graphs of one kind, to see what each kind costs.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::arena::Arena;
use crate::backlog::{Backlog, BacklogRun};
use crate::chance::Random;
use crate::contestant::Contestant;
use crate::figures::Figure;
use crate::workload::{Event, Type, What, Workload};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Shape {
    Mixed,
    Links,
    Choices,
    Repeats,
    LateLinks,
    Chains,
    Stars,
    Cliques,
    Hubs,
}

impl Shape {
    pub const ALL: [Self; 9] = [
        Self::Mixed,
        Self::Links,
        Self::Choices,
        Self::Repeats,
        Self::LateLinks,
        Self::Chains,
        Self::Stars,
        Self::Cliques,
        Self::Hubs,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Mixed => "the backlog's mix",
            Self::Links => "its links only",
            Self::Choices => "choices only, each at an identifier of its own",
            Self::Repeats => "browser signals, 95 % of them repeats",
            Self::LateLinks => "the mix, all links last",
            Self::Chains => "chains of 50 cookies, an opt-out at an end",
            Self::Stars => "stars of 50 cookies, just no hubs, an opt-out at a ray",
            Self::Cliques => "cliques of 20 cookies, an opt-out in each",
            Self::Hubs => "hubs of 100,000 cookies, one in a hundred opted out",
        }
    }

    /// About so many events.
    fn workload(self, events: u32) -> Workload {
        let mut workload = match self {
            Self::Mixed => return Workload::consumers(1, events * 10 / 77),
            Self::Links | Self::LateLinks => Workload::consumers(1, events * 10 / 77),
            _ => Workload::empty(1),
        };
        match self {
            Self::Links => workload.events.retain(|event| !event.is_choice()),
            // A stable sort: within each kind the order stays chance.
            Self::LateLinks => workload.events.sort_by_key(|event| !event.is_choice()),
            Self::Choices => workload.add_lone_signals(events, 1),
            Self::Repeats => workload.add_lone_signals(events / 20, 20),
            Self::Chains => (0..events / 50).for_each(|_| workload.add_chain(50)),
            Self::Stars => (0..events / 51).for_each(|_| workload.add_star(50)),
            Self::Cliques => (0..events / 191).for_each(|_| workload.add_clique(20)),
            Self::Hubs => (0..events.div_ceil(101_000)).for_each(|_| workload.add_hub(100_000)),
            Self::Mixed => {}
        }
        if self != Self::LateLinks {
            Random::new(&[workload.seed, 5]).shuffle(&mut workload.events);
        }
        workload
    }
}

impl Workload {
    fn add_cookies(&mut self, count: u32) -> std::ops::Range<u32> {
        let first = self.types.len() as u32;
        self.types.extend((0..count).map(|_| Type::Cookie));
        first..first + count
    }

    fn signal(&mut self, at: u32, repeat: u32) {
        self.events.push(Event { at, what: What::Signal { repeat } });
    }

    fn add_lone_signals(&mut self, cookies: u32, each: u32) {
        for at in self.add_cookies(cookies) {
            (0..each).for_each(|repeat| self.signal(at, repeat));
        }
    }

    fn add_chain(&mut self, length: u32) {
        let cookies = self.add_cookies(length);
        cookies.clone().skip(1).for_each(|cookie| self.link(cookie, cookie - 1));
        self.signal(cookies.start, 0);
    }

    fn add_star(&mut self, rays: u32) {
        let cookies = self.add_cookies(rays + 1);
        cookies.clone().skip(1).for_each(|ray| self.link(ray, cookies.start));
        self.signal(cookies.end - 1, 0);
    }

    fn add_clique(&mut self, members: u32) {
        let cookies = self.add_cookies(members);
        for one in cookies.clone() {
            (cookies.start..one).for_each(|other| self.link(one, other));
        }
        self.signal(cookies.start, 0);
    }

    fn add_hub(&mut self, rays: u32) {
        let cookies = self.add_cookies(rays + 1);
        self.hubs.push(cookies.start);
        cookies.clone().skip(1).for_each(|ray| self.link(ray, cookies.start));
        cookies.skip(1).step_by(100).for_each(|ray| self.signal(ray, 0));
    }
}

/// What one shape cost.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ShapeRun {
    pub shape: Shape,
    pub run: BacklogRun,
}

/// Has Quell work off each shape, several rounds.
pub fn run(arena: &Arena, events: u32, rounds: u32, mut told: impl FnMut(&str)) -> Vec<ShapeRun> {
    let mut runs = Vec::new();
    for shape in Shape::ALL {
        let backlog = Backlog::load(arena, shape.workload(events));
        for _ in 0..rounds {
            let run = backlog.run(arena, Contestant::Quell);
            told(&format!("{}: {:.1} µs per event, its final state is right", shape.name(), run.application_micros()));
            runs.push(ShapeRun { shape, run });
        }
    }
    runs
}

fn figure(runs: &[ShapeRun], of: Shape, value: impl Fn(&BacklogRun) -> f64) -> Figure {
    Figure::of(runs.iter().filter(|run| run.shape == of).map(|run| value(&run.run)))
}

pub fn table(runs: &[ShapeRun]) -> String {
    let mut table =
        "| | events | events/s | CPU of the engine, µs per event | CPU of the broker, µs per event | cores taken \
                     by others |\n|---|---|---|---|---|---|\n"
            .to_owned();
    for shape in Shape::ALL {
        writeln!(
            table,
            "| {} | {} | {} | {} | {} | {} |",
            shape.name(),
            figure(runs, shape, |run| run.events as f64),
            figure(runs, shape, BacklogRun::events_per_second),
            figure(runs, shape, BacklogRun::application_micros),
            figure(runs, shape, BacklogRun::broker_micros),
            figure(runs, shape, BacklogRun::others_cores),
        )
        .unwrap();
    }
    table
}

/// What a repeat costs, as a share of what a link costs.
pub fn repeat_by_link(runs: &[ShapeRun]) -> f64 {
    let median = |shape| figure(runs, shape, BacklogRun::application_micros).median;
    median(Shape::Repeats) / median(Shape::Links)
}
