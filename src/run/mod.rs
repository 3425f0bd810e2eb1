//! `quell run`: the engine, wired.
//!
//! HTTP answers from the beginning, so that whoever watches sees what is waited for: Kafka, the topics, the schema
//! registry, the group, the shards. The engine has this thread for itself.

mod observer;
mod prerequisites;
mod view;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use quell_domain::Policy;
use quell_engine::{Engine, EngineError, Settings};
use quell_http::Server;
use quell_kafka::{INPUTS, KafkaLog};
use quell_store::{DiskStore, OpenError, Options};
use quell_telemetry::events::{
    EngineFailed, EngineStarted, EngineStopped, EngineStopping, HttpListening, StoreDamaged, StoreOpened,
};
use quell_telemetry::{Event, LabelValues, Metrics};
use quell_wire::Decoder;
use tokio::signal::unix::{SignalKind, signal};

use crate::config::Config;
use crate::{moment, parts};
use observer::TelemetryObserver;
use prerequisites::Topics;
use view::View;

/// How long one turn of the engine waits for something to happen.
const TURN: Duration = Duration::from_millis(100);

/// How long the last epoch may take to be committed after a signal; what is not committed then is done again by
/// whoever comes next. With brokers that do not answer it takes some seconds more to give up, and who runs containers
/// often waits for 30 s in all.
const DRAIN_DEADLINE: Duration = Duration::from_secs(10);

/// How long leaving the group may take.
const LEAVE_DEADLINE: Duration = Duration::from_secs(10);

/// How often a damaged store is restored from the changelog before the changelog itself, or the disk, is to blame.
const DAMAGES_MAX: u32 = 3;

/// For tests: a record that has the bytes of this variable in its value makes the engine panic.
const POISON_VARIABLE: &str = "QUELL_TEST_POISON";

/// How many nodes stay in memory between epochs, over all shards: some hundred megabytes at most, beside
/// `store.memory`.
const CACHED_NODES_MAX: usize = 100_000;

/// How many epochs' worth of records may wait: enough to fill the next while one is committed.
const BACKLOG_EPOCHS: usize = 4;

/// How many records of the graph topic may wait before the inputs are paused. Each holds up to a thousand messages, all
/// that one epoch has for one shard: in good order there are a few.
const GRAPH_BEHIND_MAX: u64 = 100;

/// How often it is said how far all has come. Each time costs a small transaction, on an idle system too.
const WATERMARK_EVERY: Duration = Duration::from_millis(400);

/// Runs the engine until a signal asks it to stop.
///
/// # Errors
/// When an operator must act.
pub fn run(config: &Config, policy: Policy) -> anyhow::Result<()> {
    let policy = Arc::new(policy);
    let topics = &config.topics;
    let metrics = Metrics::new(
        env!("CARGO_PKG_VERSION"),
        &LabelValues::new(&policy, &topics.choices, &topics.links, &topics.acks),
    );
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let view = Arc::new(View::new(Arc::clone(&policy)));
    let options = quell_http::Options {
        listen: config.http.listen,
        token: config.http.token.clone(),
        limits: quell_http::Limits::default(),
    };
    let token_needed = options.token.is_some();
    let server = runtime.block_on(Server::start(options, metrics.clone(), Arc::clone(&view) as _))?;
    HttpListening { address: server.address(), token_needed }.emit(&metrics);
    let stop = Arc::new(AtomicBool::new(false));
    runtime.spawn(stop_at_a_signal(Arc::clone(&stop), metrics.clone()));

    let result = work(config, &policy, &metrics, &view, &stop);
    if let Err(error) = &result {
        EngineFailed { error: error.as_ref() }.emit(&metrics);
    }
    runtime.block_on(server.stop());
    result
}

async fn stop_at_a_signal(stop: Arc<AtomicBool>, metrics: Metrics) {
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return;
    };
    let signal = tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    };
    EngineStopping { signal }.emit(&metrics);
    stop.store(true, Ordering::Release);
}

fn work(
    config: &Config,
    policy: &Arc<Policy>,
    metrics: &Metrics,
    view: &View,
    stop: &AtomicBool,
) -> anyhow::Result<()> {
    let kafka = parts::kafka(config, policy)?;
    let Some(topics) = prerequisites::topics(config, &kafka, metrics, stop)? else { return Ok(()) };
    let mut damages = 0;
    while let Err(error) = engine(config, policy, &kafka, topics, metrics, view, stop) {
        let is_damage = error.downcast_ref::<EngineError>().is_some_and(EngineError::is_damage)
            || error.downcast_ref::<OpenError>().is_some_and(OpenError::is_damage);
        damages += 1;
        if !is_damage || damages > DAMAGES_MAX {
            return Err(error);
        }
        StoreDamaged { reason: &format!("{error:#}") }.emit(metrics);
        DiskStore::wipe(&config.store.path, &config.kafka.group_id)?;
    }
    Ok(())
}

/// Runs an engine until a signal asks it to stop. Its store is closed when this returns.
fn engine(
    config: &Config,
    policy: &Arc<Policy>,
    kafka: &quell_kafka::Settings,
    topics: Topics,
    metrics: &Metrics,
    view: &View,
    stop: &AtomicBool,
) -> anyhow::Result<()> {
    let decoder = Decoder::new(parts::registry(&config.encoding)?);
    let encoder = parts::encoder(&config.encoding)?;
    if !prerequisites::registry(&encoder, policy, metrics, stop)? {
        return Ok(());
    }
    let began = Instant::now();
    let options = Options {
        memory_bytes: config.store.memory_bytes,
        group_id: config.kafka.group_id.clone(),
        threads: config.engine.threads,
    };
    let store = DiskStore::open(&config.store.path, &options)?;
    StoreOpened { path: &config.store.path, bytes: quell_engine::store::Store::bytes(&store), took: began.elapsed() }
        .emit(metrics);
    let instance = store.instance_name().to_owned();
    let observer = TelemetryObserver::new(metrics.clone(), kafka.topics.clone());
    EngineStarted {
        version: env!("CARGO_PKG_VERSION"),
        policy_version: policy.version(),
        bootstrap_servers: &config.kafka.bootstrap_servers,
        group_id: &config.kafka.group_id,
        shards: topics.shards.get(),
    }
    .emit(metrics);
    let log = KafkaLog::join(kafka.clone(), &instance)?;
    let clock = Box::new(moment::now);
    let settings = settings(config, kafka, topics);
    let mut engine =
        Engine::new(settings, Arc::clone(policy), decoder, encoder, log, store, Box::new(observer), clock)?;
    view.set_engine(engine.handle());

    let result = work_off(&mut engine, stop);
    let (log, store) = engine.into_parts();
    leave(log);
    let stopping = result?;
    store.close()?;
    EngineStopped { took: stopping.elapsed() }.emit(metrics);
    Ok(())
}

/// Until a signal asks to stop, and all that was begun is done. When it was asked.
fn work_off(engine: &mut Engine<KafkaLog, DiskStore>, stop: &AtomicBool) -> Result<Instant, EngineError> {
    while !stop.load(Ordering::Acquire) {
        engine.turn(TURN)?;
    }
    let stopping = Instant::now();
    engine.drain();
    while !engine.is_drained() && stopping.elapsed() < DRAIN_DEADLINE {
        engine.turn(TURN)?;
    }
    Ok(stopping)
}

/// Leaves the group, so that others take over at once. A client whose brokers come and go may not come to an end; the
/// process does.
fn leave(log: KafkaLog) {
    let (leaving, left) = channel::<()>();
    let thread = std::thread::Builder::new().name("quell-leave".to_owned()).spawn(move || {
        drop(log);
        drop(leaving);
    });
    if thread.is_ok() && left.recv_timeout(LEAVE_DEADLINE) == Err(RecvTimeoutError::Timeout) {
        tracing::warn!(target: "quell::engine", "kafka's client does not end; leaving it behind");
    }
}

fn settings(config: &Config, kafka: &quell_kafka::Settings, topics: Topics) -> Settings {
    Settings {
        shards: topics.shards,
        relax_after: config.engine.relax_after,
        threads: config.engine.threads,
        epoch_records_max: config.engine.epoch_records_max,
        epoch_bytes_max: config.engine.epoch_bytes_max,
        backlog_bytes_max: BACKLOG_EPOCHS * config.engine.epoch_bytes_max,
        graph_behind_max: GRAPH_BEHIND_MAX,
        cached_nodes_max: CACHED_NODES_MAX / usize::try_from(topics.shards.get()).unwrap_or(usize::MAX),
        deletions_kept: topics.deletions_kept,
        review_rate: config.engine.review_rate,
        poison: std::env::var(POISON_VARIABLE).ok().map(String::into_bytes),
        watermark_every: WATERMARK_EVERY,
        watermarks: kafka.topics.watermarks.clone(),
        topic_names: INPUTS.iter().map(|topic| (*topic, kafka.topics.input(*topic).to_owned())).collect(),
    }
}
