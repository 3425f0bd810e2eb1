//! `quell gate`: the gate, wired.
//!
//! HTTP answers from the beginning: until all opt-outs that stood in the topic at the start have been read, that the
//! gate is not ready. Threads of their own read from Kafka, sync the spool, and deliver it; this one waits for signals.

mod policy;
mod prerequisites;
mod reload;
mod topics;

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use quell_decision::{Reason, Suppressions};
use quell_directory::OwnDirectory;
use quell_gate::certificates::{Archive, Certificates, KeyDirectory};
use quell_gate::http::GateServer;
use quell_gate::local_copy::{CopyFiles, LocalCopy};
use quell_gate::reader::ReaderParts;
use quell_gate::reviews::{Outcome, ReviewReaderParts};
use quell_gate::spool::{Backlog, DeliveryTopics, Spool};
use quell_gate::{Gate, Parts, Worker};
use quell_telemetry::events::HttpListening;
use quell_telemetry::gate::{
    CopyOpened, GateEvent as _, GateFailed, GateMetrics, GateStarted, GateStopped, GateStopping, GateValues,
};
use quell_wire::Decoder;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::config::{GateConfig, GateTopics};
use crate::failure::Failure;
use crate::parts;
pub use policy::rules;
use reload::PolicyFile;
pub use topics::TopicPlans;

/// How often it is looked whether its threads still run, and whether the policy has changed.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How many threads answer at least.
const THREADS_AT_LEAST: usize = 2;

/// How long connections that do not end are waited for, once all answers are given.
const CONNECTIONS_DEADLINE: Duration = Duration::from_secs(1);

/// Runs the gate until a signal asks it to stop.
///
/// # Errors
/// When the policy cannot be held to, or an operator must act.
pub fn run(config: &GateConfig) -> Result<(), Failure> {
    let _own_copy = OwnDirectory::take(&config.copy_path).context("see copy.path")?;
    let _own_spool = OwnDirectory::take(&config.spool.path).context("see spool.path")?;
    let index = Arc::new(Suppressions::default());
    let mut policy = PolicyFile::new(config);
    let rules = rules(config, index.right_bits())?;
    let topic = rules.topic().to_owned();
    let metrics = GateMetrics::new(
        env!("CARGO_PKG_VERSION"),
        &GateValues {
            systems: rules.systems().iter().map(|system| system.name.clone()).collect(),
            reasons: Reason::ALL.iter().map(|reason| (reason.as_str(), reason.permits())).collect(),
            outcomes: Outcome::ALL.map(Outcome::as_str).to_vec(),
        },
    );
    GateStarted {
        version: env!("CARGO_PKG_VERSION"),
        policy_version: rules.version(),
        bootstrap_servers: &config.kafka.bootstrap_servers,
        topic: &topic,
    }
    .emit(&metrics);
    let (spool, syncer, backlog) = Spool::open(config.spool.clone(), metrics.clone()).context("see spool.path")?;
    let files = Arc::<CopyFiles>::default();
    let directory = KeyDirectory::new(config.keys_path.clone());
    let archive = Archive::new(
        config.kafka.clone(),
        config.topics.decisions.clone(),
        Decoder::new(parts::registry(&config.encoding).context("cannot use encoding.schema_registry_url")?),
    );
    let keys = directory.read_if_there().context("cannot read the keys; see keys.path")?;
    let gate = Arc::new(
        Gate::new(Parts {
            rules,
            suppressions: Arc::clone(&index),
            copy: Arc::clone(&files),
            spool,
            encoder: parts::encoder(&config.encoding).context("cannot use encoding.schema_registry_url")?,
            decisions: config.topics.decisions.clone(),
            reviews: config.topics.reviews.clone(),
            metrics: metrics.clone(),
            certificates: Certificates::new(keys, config.http.url.clone(), archive),
        })
        .context("the system gives no random numbers")?,
    );
    // One may wait for the disk.
    let threads = thread::available_parallelism().map_or(THREADS_AT_LEAST, NonZeroUsize::get).max(THREADS_AT_LEAST);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build();
    let runtime = runtime.context("cannot start threads")?;
    let server = runtime
        .block_on(GateServer::start(config.http.clone(), Arc::clone(&gate)))
        .context("cannot answer over http")?;
    HttpListening { address: server.address(), token_needed: config.http.token.is_some() }.emit(&metrics);

    let watch = directory.watch(Arc::clone(&gate)).context("cannot start threads")?;
    let signals = Signals::new(&runtime, metrics.clone()).context("cannot listen to signals")?;
    let working = Working { config, index, files, topic, gate: Arc::clone(&gate), metrics: metrics.clone() };
    let result = working.until_stopped(backlog, &mut policy, &signals);
    if let Err(error) = &result {
        GateFailed { error: error.as_ref() }.emit(&metrics);
    }
    let stopping = Instant::now();
    runtime.block_on(server.stop());
    // Whoever still holds a connection holds the gate, and the gate the spool.
    runtime.shutdown_timeout(CONNECTIONS_DEADLINE);
    watch.stop();
    let threads = result?;
    if let Some(Threads { reader, reviews, delivery }) = threads {
        reader.stop();
        reviews.stop();
        drop(gate);
        syncer.join();
        delivery.stop();
    }
    GateStopped { took: stopping.elapsed() }.emit(&metrics);
    Ok(())
}

/// What a signal asks for.
enum Asked {
    Stop,
    TakeUpPolicy,
}

/// What signals ask for.
struct Signals {
    stop: Arc<AtomicBool>,
    asked: Receiver<Asked>,
}

impl Signals {
    fn new(runtime: &Runtime, metrics: GateMetrics) -> io::Result<Self> {
        let _entered = runtime.enter();
        let heard = Heard {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        };
        let (told, asked) = channel();
        let stop = Arc::new(AtomicBool::new(false));
        runtime.spawn(heard.until_a_stop(Arc::clone(&stop), told, metrics));
        Ok(Self { stop, asked })
    }
}

struct Heard {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Heard {
    async fn until_a_stop(mut self, stop: Arc<AtomicBool>, told: Sender<Asked>, metrics: GateMetrics) {
        let signal = loop {
            tokio::select! {
                _ = self.terminate.recv() => break "SIGTERM",
                _ = self.interrupt.recv() => break "SIGINT",
                // Whoever would hear it may have failed meanwhile.
                _ = self.hang_up.recv() => told.send(Asked::TakeUpPolicy).unwrap_or_default(),
            }
        };
        GateStopping { signal }.emit(&metrics);
        stop.store(true, Ordering::Release);
        told.send(Asked::Stop).unwrap_or_default();
    }
}

/// The threads that speak with Kafka.
struct Threads {
    reader: Worker,
    reviews: Worker,
    delivery: Worker,
}

impl Threads {
    fn has_one_ended(&self) -> bool {
        self.reader.has_ended() || self.reviews.has_ended() || self.delivery.has_ended()
    }
}

struct Working<'a> {
    config: &'a GateConfig,
    index: Arc<Suppressions>,
    files: Arc<CopyFiles>,
    topic: String,
    gate: Arc<Gate>,
    metrics: GateMetrics,
}

impl Working<'_> {
    /// Its threads, if they had begun when it was asked to stop.
    fn until_stopped(
        self,
        backlog: Backlog,
        policy: &mut PolicyFile<'_>,
        signals: &Signals,
    ) -> anyhow::Result<Option<Threads>> {
        let (config, stop, gate) = (self.config, &signals.stop, Arc::clone(&self.gate));
        let copy = self.open_copy()?;
        let is_there = prerequisites::topics(config, &self.topic, &self.metrics, stop)?
            && prerequisites::registry(&self.gate, &self.metrics, stop)?;
        if !is_there {
            return Ok(None);
        }
        let GateTopics { decisions, reviews, .. } = config.topics.clone();
        let delivery = backlog.deliver(config.kafka.producer(), DeliveryTopics { decisions, reviews })?;
        let reader = ReaderParts {
            kafka: config.kafka.clone(),
            suppressions: self.topic,
            watermarks: config.topics.watermarks.clone(),
            decoder: Decoder::new(parts::registry(&config.encoding)?),
            copy,
            index: self.index,
            gate: Arc::clone(&self.gate),
        }
        .start()?;
        let reviews = ReviewReaderParts {
            kafka: config.kafka.clone(),
            topic: config.topics.reviews.clone(),
            decoder: Decoder::new(parts::registry(&config.encoding)?),
            gate: self.gate,
        }
        .start()?;
        let threads = Threads { reader, reviews, delivery };
        loop {
            match signals.asked.recv_timeout(LOOK_EVERY) {
                Ok(Asked::Stop) | Err(RecvTimeoutError::Disconnected) => return Ok(Some(threads)),
                Ok(Asked::TakeUpPolicy) => policy.take_up(&gate, &self.metrics),
                Err(RecvTimeoutError::Timeout) => policy.look(&gate, &self.metrics),
            }
            if threads.has_one_ended() {
                bail!("a thread of the gate has ended by itself, which is a bug; the log says more");
            }
        }
    }

    fn open_copy(&self) -> anyhow::Result<LocalCopy> {
        let (began, path) = (Instant::now(), &self.config.copy_path);
        let (copy, found) = LocalCopy::open(path, &self.topic, &self.index, &self.files).context("see copy.path")?;
        CopyOpened {
            path,
            identifiers: self.index.len(),
            bytes: copy.bytes(),
            cut_bytes: found.cut_bytes,
            took: began.elapsed(),
        }
        .emit(&self.metrics);
        Ok(copy)
    }
}
