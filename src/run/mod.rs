//! `quell run`: the engine, wired.
//!
//! HTTP answers from the beginning, so that whoever watches sees what is waited for: Kafka, the topics, the schema
//! registry, the group, the shards. The engine has this thread for itself.

mod observer;
mod view;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use quell_domain::{Policy, ShardCount};
use quell_engine::{Engine, Settings};
use quell_http::Server;
use quell_kafka::{INPUTS, KafkaLog, TopicAdmin, TopicsError};
use quell_store::{DiskStore, Options};
use quell_telemetry::events::{
    BrokerBack, BrokerUnreachable, EngineFailed, EngineStarted, EngineStopped, EngineStopping, HttpListening,
    RegistryBack, RegistryUnavailable, StoreOpened,
};
use quell_telemetry::{Event, LabelValues, Metrics, Throttle};
use quell_wire::{Decoder, EncodeError, Encoder};
use tokio::signal::unix::{SignalKind, signal};

use crate::config::Config;
use crate::{moment, parts};
use observer::TelemetryObserver;
use view::View;

/// How long one turn of the engine waits for something to happen.
const TURN: Duration = Duration::from_millis(100);

/// How long the last epoch may take to be committed after a signal; what is not committed then is done again by
/// whoever comes next.
const DRAIN_DEADLINE: Duration = Duration::from_secs(20);

/// How long to wait before asking Kafka or the schema registry again at the start.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// How often an outage is said.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// How many nodes stay in memory between epochs, over all shards: some hundred megabytes at most, beside
/// `store.memory`.
const CACHED_NODES_MAX: usize = 100_000;

/// How many epochs' worth of records may wait: enough to fill the next while one is committed.
const BACKLOG_EPOCHS: usize = 4;

/// How many records of the graph topic may wait before the inputs are paused. Each holds up to a thousand messages, all
/// that one epoch has for one shard: in good order there are a few.
const GRAPH_BEHIND_MAX: u64 = 100;

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
    let options = quell_http::Options { listen: config.http.listen, token: config.http.token.clone() };
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
    let Some(shards) = wait_for_topics(config, &kafka, metrics, stop)? else { return Ok(()) };
    let decoder = Decoder::new(parts::registry(config)?);
    let encoder = parts::encoder(config)?;
    if !wait_for_registry(&encoder, policy, metrics, stop)? {
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
    let settings = Settings {
        shards,
        relax_after: config.engine.relax_after,
        threads: config.engine.threads,
        epoch_records_max: config.engine.epoch_records_max,
        epoch_bytes_max: config.engine.epoch_bytes_max,
        backlog_bytes_max: BACKLOG_EPOCHS * config.engine.epoch_bytes_max,
        graph_behind_max: GRAPH_BEHIND_MAX,
        cached_nodes_max: CACHED_NODES_MAX / usize::try_from(shards.get()).unwrap_or(usize::MAX),
        topic_names: INPUTS.iter().map(|topic| (*topic, kafka.topics.input(*topic).to_owned())).collect(),
    };
    EngineStarted {
        version: env!("CARGO_PKG_VERSION"),
        policy_version: policy.version(),
        bootstrap_servers: &config.kafka.bootstrap_servers,
        group_id: &config.kafka.group_id,
        shards: shards.get(),
    }
    .emit(metrics);
    let log = KafkaLog::join(kafka, &instance)?;
    let clock = Box::new(moment::now);
    let mut engine =
        Engine::new(settings, Arc::clone(policy), decoder, encoder, log, store, Box::new(observer), clock)?;
    view.set_engine(engine.handle());

    while !stop.load(Ordering::Acquire) {
        engine.turn(TURN)?;
    }
    let stopping = Instant::now();
    engine.drain();
    while !engine.is_drained() && stopping.elapsed() < DRAIN_DEADLINE {
        engine.turn(TURN)?;
    }
    let (log, store) = engine.into_parts();
    drop(log); // leaves the group, so that others take over at once
    store.close()?;
    EngineStopped { took: stopping.elapsed() }.emit(metrics);
    Ok(())
}

/// Waits until Kafka answers and says whether the topics are as they should be. None if it is to stop before.
fn wait_for_topics(
    config: &Config,
    kafka: &quell_kafka::Settings,
    metrics: &Metrics,
    stop: &AtomicBool,
) -> anyhow::Result<Option<ShardCount>> {
    let plans = parts::topic_plans(config, kafka);
    let admin = TopicAdmin::new(kafka)?;
    let (began, mut said) = (Instant::now(), Throttle::new(SAY_EVERY));
    let mut was_away = false;
    while !stop.load(Ordering::Acquire) {
        let checked = match admin.check(&plans) {
            Ok(checked) => checked,
            Err(error @ TopicsError::Unreachable(_)) => {
                was_away = true;
                if said.passes(Instant::now()) {
                    BrokerUnreachable {
                        bootstrap_servers: &config.kafka.bootstrap_servers,
                        reason: &error.to_string(),
                        lasted: began.elapsed(),
                    }
                    .emit(metrics);
                }
                std::thread::sleep(ASK_AGAIN);
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        if was_away {
            BrokerBack { lasted: began.elapsed() }.emit(metrics);
        }
        let (stops, weakens): (Vec<_>, Vec<_>) = checked.findings.iter().partition(|finding| finding.stops);
        for finding in weakens {
            tracing::warn!("{finding}");
        }
        if !stops.is_empty() {
            let texts: Vec<&str> = stops.iter().map(|finding| finding.text.as_str()).collect();
            bail!("{}", texts.join("; "));
        }
        return checked.shards.context("the graph topic has no partitions").map(Some);
    }
    Ok(None)
}

/// Waits until the schema registry has ids for what will be written. False if it is to stop before.
fn wait_for_registry(encoder: &Encoder, policy: &Policy, metrics: &Metrics, stop: &AtomicBool) -> anyhow::Result<bool> {
    let mut said = Throttle::new(SAY_EVERY);
    let mut was_away = false;
    while !stop.load(Ordering::Acquire) {
        match encoder.prepare(policy) {
            Ok(()) => {
                if was_away {
                    RegistryBack.emit(metrics);
                }
                return Ok(true);
            }
            Err(error @ EncodeError::NoRegistry) => return Err(error.into()),
            Err(error) => {
                was_away = true;
                if said.passes(Instant::now()) {
                    RegistryUnavailable { reason: &error.to_string() }.emit(metrics);
                }
                std::thread::sleep(ASK_AGAIN);
            }
        }
    }
    Ok(false)
}
