//! A Kafka of several nodes, each a process that can be killed and started again, and a network to each of them that can
//! be made to misbehave.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

use crate::deployment::Kafka;
use crate::proxy::{Network, Proxy};
use crate::{free_port, wait_for};

/// Runs a node until its standard input closes: with this process, or when it is to be killed.
const KEEPER: &str = r#""$0" node "$1" & node=$!; cat >/dev/null; kill -9 $node; wait $node"#;

/// Clears away when this process is gone, and the nodes with it.
const JANITOR: &str = r#"cat >/dev/null; sleep 2; rm -rf "$0""#;

/// Partitions of the offsets' and of the transactions' topic.
const COORDINATORS: u32 = 4;

const ASK: Duration = Duration::from_secs(2);

/// Nodes are brokers and controllers in one. Clients of the test reach them directly, engines through a proxy each.
pub struct Cluster {
    nodes: Vec<Node>,
    client: BaseConsumer,
    _janitor: Child,
}

struct Node {
    dir: PathBuf,
    direct: u16,
    proxy: Proxy,
    keeper: Option<Child>,
}

/// One cluster of three for all tests of this process, for one of them at a time; whole when it is handed over.
pub fn cluster() -> MutexGuard<'static, Cluster> {
    static CLUSTER: OnceLock<Mutex<Cluster>> = OnceLock::new();
    let cluster = CLUSTER.get_or_init(|| Mutex::new(Cluster::start(3)));
    let mut cluster = cluster.lock().unwrap_or_else(PoisonError::into_inner);
    cluster.heal();
    cluster
}

impl Cluster {
    pub fn start(size: u16) -> Self {
        let dir = std::env::temp_dir().join(format!("quell-cluster-{}", crate::unique()));
        std::fs::create_dir_all(&dir).unwrap();
        let janitor = Command::new("bash").args(["-c", JANITOR]).arg(&dir).stdin(Stdio::piped()).spawn().unwrap();
        let ports: Vec<(u16, u16)> = (0..size).map(|_| (free_port(), free_port())).collect();
        let mut voters = String::new();
        for (number, (direct, _)) in (1..).zip(&ports) {
            let comma = if number == 1 { "" } else { "," };
            write!(voters, "{comma}{number}@127.0.0.1:{}", direct + 1).unwrap();
        }
        let mut nodes = Vec::new();
        for (number, (direct, proxied)) in (1..).zip(ports) {
            let dir = dir.join(number.to_string());
            std::fs::create_dir_all(&dir).unwrap();
            let proxy = Proxy::start(proxied);
            let data = dir.join("data");
            let settings = format!(
                "process.roles=broker,controller\n\
                 node.id={number}\n\
                 controller.quorum.voters={voters}\n\
                 listeners=PLAINTEXT://127.0.0.1:{direct},PROXIED://127.0.0.1:{proxied},CONTROLLER://127.0.0.1:{}\n\
                 advertised.listeners=PLAINTEXT://127.0.0.1:{direct},PROXIED://127.0.0.1:{}\n\
                 listener.security.protocol.map=PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
                 controller.listener.names=CONTROLLER\n\
                 inter.broker.listener.name=PLAINTEXT\n\
                 log.dirs={}\n{}",
                direct + 1,
                proxy.port,
                data.display(),
                common_settings(size)
            );
            std::fs::write(dir.join("server.properties"), settings).unwrap();
            let keeper = Some(keep(&dir));
            nodes.push(Node { dir, direct, proxy, keeper });
        }
        let bootstrap = addresses(nodes.iter().map(|node| node.direct));
        let client = ClientConfig::new().set("bootstrap.servers", bootstrap).set("log_level", "0").create().unwrap();
        let cluster = Self { nodes, client, _janitor: janitor };
        cluster.wait_until_whole();
        cluster
    }

    /// Where it is, for a deployment.
    pub fn kafka(&self) -> Kafka {
        Kafka {
            bootstrap: addresses(self.nodes.iter().map(|node| node.direct)),
            engines: addresses(self.nodes.iter().map(|node| node.proxy.port)),
            replication_factor: self.nodes.len(),
            ..Kafka::default()
        }
    }

    /// How many nodes it has.
    pub fn size(&self) -> usize {
        self.nodes.len()
    }

    /// `kill -9` of a node, by its number from 0.
    pub fn kill(&mut self, node: usize) {
        let node = &mut self.nodes[node];
        if let Some(mut keeper) = node.keeper.take() {
            drop(keeper.stdin.take());
            keeper.wait().unwrap();
        }
    }

    /// Starts a node that was killed. It takes some seconds until it serves.
    pub fn restart(&mut self, node: usize) {
        let node = &mut self.nodes[node];
        node.keeper.get_or_insert_with(|| keep(&node.dir));
    }

    /// What the network between engines and a node does.
    pub fn network(&self, node: usize, network: Network) {
        self.nodes[node].proxy.set(network);
    }

    /// What the network between engines and every node does.
    pub fn network_everywhere(&self, network: Network) {
        (0..self.size()).for_each(|node| self.network(node, network));
    }

    /// Every node runs and has caught up, and the network is good.
    pub fn heal(&mut self) {
        for node in 0..self.size() {
            self.network(node, Network::Good);
            self.restart(node);
        }
        self.wait_until_whole();
    }

    /// Until every node is there and every replica in sync.
    pub fn wait_until_whole(&self) {
        wait_for("every node of the cluster", || self.is_whole().then_some(()));
    }

    /// Whether every node is there and every replica in sync.
    pub fn is_whole(&self) -> bool {
        self.client.fetch_metadata(None, ASK).is_ok_and(|metadata| {
            let mut partitions = metadata.topics().iter().flat_map(|topic| topic.partitions());
            metadata.brokers().len() == self.size()
                && partitions.all(|partition| partition.isr().len() == partition.replicas().len())
        })
    }

    /// The node that leads a partition.
    pub fn leader(&self, topic: &str, partition: u32) -> usize {
        wait_for("a leader", || {
            let metadata = self.client.fetch_metadata(Some(topic), ASK).ok()?;
            let known = metadata.topics().iter().find(|known| known.name() == topic)?;
            let known = known.partitions().iter().find(|known| u32::try_from(known.id()) == Ok(partition))?;
            usize::try_from(known.leader().checked_sub(1)?).ok()
        })
    }

    /// The node that coordinates a consumer group: it leads the group's partition of the offsets.
    pub fn group_coordinator(&self, group: &str) -> usize {
        self.leader("__consumer_offsets", java_hash(group) % COORDINATORS)
    }

    /// The node that coordinates a transactional id's transactions: it leads the id's partition of their log.
    pub fn transaction_coordinator(&self, transactional_id: &str) -> usize {
        self.leader("__transaction_state", java_hash(transactional_id) % COORDINATORS)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        (0..self.size()).for_each(|node| self.kill(node));
    }
}

fn keep(dir: &PathBuf) -> Child {
    Command::new("bash")
        .args(["-c", KEEPER])
        .arg(crate::tree().join("dev/kafka"))
        .arg(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn addresses(ports: impl Iterator<Item = u16>) -> String {
    ports.map(|port| format!("127.0.0.1:{port}")).collect::<Vec<_>>().join(",")
}

/// Replicated as in production, and quick to notice a death: Kafka's defaults are 9 s for a broker and 10 s for an open
/// transaction whose time is up.
pub(crate) fn common_settings(size: u16) -> String {
    let least = if size > 2 { 2 } else { 1 };
    format!(
        "min.insync.replicas={least}\n\
         default.replication.factor={size}\n\
         offsets.topic.replication.factor={size}\n\
         offsets.topic.num.partitions={COORDINATORS}\n\
         transaction.state.log.replication.factor={size}\n\
         transaction.state.log.min.isr={least}\n\
         transaction.state.log.num.partitions={COORDINATORS}\n\
         transaction.abort.timed.out.transaction.cleanup.interval.ms=1000\n\
         share.coordinator.state.topic.replication.factor=1\n\
         share.coordinator.state.topic.min.isr=1\n\
         share.coordinator.state.topic.num.partitions=1\n\
         broker.session.timeout.ms=3000\n\
         broker.heartbeat.interval.ms=500\n\
         replica.lag.time.max.ms=5000\n\
         group.initial.rebalance.delay.ms=0\n\
         group.min.session.timeout.ms=1000\n\
         auto.create.topics.enable=false\n\
         log.cleaner.dedupe.buffer.size=16777216\n\
         log.segment.bytes=67108864\n"
    )
}

/// Java's `String.hashCode` of an ASCII text, not negative: by it Kafka chooses a coordinator.
fn java_hash(text: &str) -> u32 {
    text.bytes().fold(0_u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(u32::from(byte))) & 0x7fff_ffff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_javas() {
        assert_eq!([java_hash(""), java_hash("quell"), java_hash("polygenelubricants")], [0, 107_943_937, 0]);
    }
}
