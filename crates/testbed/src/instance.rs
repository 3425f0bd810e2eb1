//! A process of Quell: an engine, or what [`crate::gate`] makes of it.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::deployment::Deployment;
use crate::{free_port, wait_for};

pub struct Instance {
    child: Child,
    port: u16,
    log: PathBuf,
}

impl Instance {
    pub fn start(deployment: &Deployment, name: &str, environment: &[(&str, &str)]) -> Self {
        let port = free_port();
        let config = deployment.configure(name, port);
        let log = deployment.dir.path().join(format!("{name}.log"));
        Self::run(&config, port, log, deployment.environment().chain(environment.iter().copied()))
    }

    /// One with a configuration that somebody else made, which has it listen to this port.
    pub fn run<'a>(
        config: &Path,
        port: u16,
        log: PathBuf,
        environment: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        Self::run_as(Command::new(crate::binary()), "run", config, port, log, environment)
    }

    /// The same in another role, `quell gate`, by a command that ends in the binary.
    pub(crate) fn run_as<'a>(
        mut command: Command,
        role: &str,
        config: &Path,
        port: u16,
        log: PathBuf,
        environment: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let file = File::options().create(true).append(true).open(&log).unwrap();
        let child = command
            .arg("--config")
            .arg(config)
            .arg(role)
            .env("NO_COLOR", "1")
            .envs(environment)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(file)
            .spawn()
            .unwrap();
        Self { child, port, log }
    }

    /// The number of its process.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// What it has logged, this run and those before under the same name.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// One answer over HTTP: status and body. None while nobody listens.
    pub fn get(&self, path: &str) -> Option<(u16, String)> {
        self.request("GET", path, &[], "")
    }

    /// The same to any request.
    pub fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
        let mut request = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n");
        headers.iter().for_each(|(name, value)| write!(request, "{name}: {value}\r\n").unwrap());
        if !body.is_empty() {
            write!(request, "content-length: {}\r\n", body.len()).unwrap();
        }
        write!(stream, "{request}\r\n{body}").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let status = head.split_whitespace().nth(1)?.parse().ok()?;
        Some((status, body.to_owned()))
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// It has not ended by itself.
    pub fn must_run(&mut self) {
        if let Some(status) = self.child.try_wait().unwrap() {
            panic!("it ended by itself ({status}):\n{}", self.log());
        }
    }

    pub fn is_ready(&mut self) -> bool {
        self.must_run();
        self.get("/health/ready").is_some_and(|(status, _)| status == 200)
    }

    pub fn wait_until_ready(mut self) -> Self {
        wait_for("it to be ready", || self.is_ready().then_some(()));
        self
    }

    /// The sum of a metric's samples whose line has all of these; none if it is not there.
    pub fn metric(&self, name: &str, labels: &[&str]) -> Option<f64> {
        let (_, text) = self.get("/metrics")?;
        let samples = text.lines().filter(|line| {
            line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']))
                && labels.iter().all(|label| line.contains(label))
        });
        let values: Vec<f64> = samples.filter_map(|line| line.rsplit(' ').next()?.parse().ok()).collect();
        (!values.is_empty()).then(|| values.iter().sum())
    }

    /// A metric that must be there; one that counts.
    pub fn count(&self, name: &str, labels: &[&str]) -> f64 {
        wait_for(name, || self.metric(name, labels))
    }

    /// Whether it has nothing left to do: all lag known and none, and no relaxation waits.
    pub fn is_at_rest(&self) -> bool {
        self.metric("quell_consumer_lag_records", &[]) == Some(0.0)
            && self.metric("quell_deferred_relaxations", &[]) == Some(0.0)
            && self.metric("quell_shards_restoring", &[]) == Some(0.0)
            && self.metric("quell_policy_unreviewed_identifiers", &[]) == Some(0.0)
    }

    /// SIGSTOP: from now on it does nothing, and does not know.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// SIGCONT.
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    /// SIGHUP.
    pub fn hang_up(&self) {
        self.signal("-HUP");
    }

    /// The most memory that it ever had at once, in bytes; none where the system does not say.
    pub fn peak_memory(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
    }

    /// The words that it was started with; none where the system does not say.
    pub fn arguments(&self) -> Option<String> {
        let words = std::fs::read(format!("/proc/{}/cmdline", self.child.id())).ok()?;
        Some(String::from_utf8_lossy(&words).replace('\0', " "))
    }

    /// Any signal.
    pub fn signal(&self, signal: &str) {
        let sent = Command::new("kill").arg(signal).arg(self.child.id().to_string()).status().unwrap();
        assert!(sent.success());
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and the end.
    pub fn stop(mut self) -> ExitStatus {
        self.ask_to_stop();
        self.child.wait().unwrap()
    }

    /// SIGTERM alone.
    pub fn ask_to_stop(&self) {
        self.signal("-TERM");
    }

    /// How it ended, if it has.
    pub fn status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// The end that it comes to by itself.
    pub fn ended(mut self) -> (ExitStatus, String) {
        let status = wait_for("it to end", || self.child.try_wait().unwrap());
        let log = self.log();
        (status, log)
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // Gone already, or to go with the test.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Waits until each of these owns some of the deployment's shards, together all four, and works.
pub fn wait_until_shared(instances: &[&Instance]) {
    wait_for("the shards to be shared", || {
        let owned: Option<Vec<f64>> =
            instances.iter().map(|one| one.metric("quell_shards_owned", &[]).filter(|owned| *owned > 0.0)).collect();
        let restored = instances.iter().all(|one| one.metric("quell_shards_restoring", &[]) == Some(0.0));
        (restored && owned?.iter().sum::<f64>() == 4.0).then_some(())
    });
}
