//! What promises are tried with: a real broker, the real binary, events made to hurt, and the contract's naive model.
//! Used by `tests/promises`, and by the torture.

#![allow(missing_docs, reason = "for tests")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "for tests")]
#![allow(clippy::new_without_default, clippy::should_implement_trait, reason = "a deployment costs seconds")]

pub mod broker;
pub mod cluster;
pub mod deployment;
pub mod events;
pub mod gate;
pub mod instance;
pub mod load;
pub mod outcome;
pub mod proxy;
pub mod registry;
pub mod secured;
pub mod stepped_clock;

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long anything may take that is waited for. A broker on a busy two-core machine needs seconds for what takes
/// milliseconds elsewhere.
pub const DEADLINE: Duration = Duration::from_secs(120);

/// The checkout.
pub fn tree() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// The engine's binary, which cargo puts beside whatever else it builds; tests lie one directory below.
pub fn binary() -> PathBuf {
    let ours = std::env::current_exe().unwrap();
    let beside = ours.ancestors().skip(1).take(2).map(|dir| dir.join("quell")).find(|path| path.is_file());
    beside.expect("the engine is built beside its tests: cargo build --release --package quell")
}

/// Waits until something is there, or says what is missing.
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < DEADLINE, "waited {DEADLINE:?} in vain for {what}");
        std::thread::park_timeout(Duration::from_millis(50));
    }
}

/// The clock, in milliseconds.
pub fn now_millis() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

/// A number that no other test, and no other run, has.
pub fn unique() -> String {
    static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    format!("{}-{}-{count}", std::process::id(), now_millis() % 1_000_000)
}

/// Below the ports that systems give to outgoing connections, which would take one between its choice and its use.
const PORTS: std::ops::Range<u16> = 10_000..32_000;

/// A port that is free, and the next one, too: this process's until its end, whoever else looks for one in this way.
pub fn free_port() -> u16 {
    static OURS: Mutex<Vec<File>> = Mutex::new(Vec::new());
    let directory = std::env::temp_dir().join("quell-ports");
    std::fs::create_dir_all(&directory).unwrap();
    let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    let mut ours = OURS.lock().unwrap_or_else(PoisonError::into_inner);
    for port in PORTS.step_by(2) {
        let Ok(lock) = File::create(directory.join(port.to_string())) else { continue };
        if lock.try_lock().is_ok() && is_free(port) && is_free(port + 1) {
            ours.push(lock);
            return port;
        }
    }
    panic!("no two free ports in {PORTS:?}");
}
