//! One real Kafka for all tests of this process. It ends with the process, however that ends.

use std::io::Read as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

use crate::{free_port, wait_for};

/// Runs the broker, and ends it when its standard input closes: with this process. By then nobody reads what it says of
/// that, and saying it would end it before it has cleared away.
const KEEPER: &str = r#""$0" run "$1" "$2" & broker=$!
cat >/dev/null; exec 2>/dev/null; kill -9 $broker; wait $broker; rm -rf "$1""#;

pub struct Broker {
    pub bootstrap: String,
    /// Where it has its data.
    pub dir: PathBuf,
    _keeper: Child,
}

impl Broker {
    /// The number of its process.
    pub fn process(&self) -> u32 {
        std::fs::read_to_string(self.dir.join("kafka.pid")).unwrap().trim().parse().unwrap()
    }
}

/// The broker; started by the first who asks.
pub fn broker() -> &'static Broker {
    static BROKER: OnceLock<Broker> = OnceLock::new();
    BROKER.get_or_init(start)
}

fn start() -> Broker {
    let port = free_port();
    let dir = std::env::temp_dir().join(format!("quell-promises-{}", crate::unique()));
    let script = crate::tree().join("dev/kafka");
    let mut keeper = Command::new("bash")
        .args(["-c", KEEPER])
        .arg(script)
        .arg(&dir)
        .arg(port.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let bootstrap = format!("127.0.0.1:{port}");
    let client: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", &bootstrap).set("log_level", "0").create().unwrap();
    wait_for("the broker", || {
        if let Some(status) = keeper.try_wait().unwrap() {
            let mut said = String::new();
            keeper.stderr.take().unwrap().read_to_string(&mut said).unwrap();
            panic!("the broker did not start ({status}): {said}");
        }
        client.fetch_metadata(None, Duration::from_secs(2)).ok()
    });
    Broker { bootstrap, dir, _keeper: keeper }
}
