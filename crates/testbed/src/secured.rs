//! A real Kafka that engines reach by TLS and a password alone: certificates made here and now, and a SCRAM user.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

use crate::deployment::Kafka;
use crate::{free_port, wait_for};

/// Runs the broker, and ends when it does; ends it, and clears away, when its standard input closes: with this process.
const KEEPER: &str = r#"exec 3<&0; "$0" node "$1" 3<&- & node=$!
{ cat <&3 >/dev/null; kill -9 $node 2>/dev/null; sleep 1; rm -rf "$1"; } & wait $node 2>/dev/null"#;

/// An authority, a broker's certificate of its, and another authority that had nothing to do with it.
const CERTIFICATES: &str = r#"
cd "$0"
for name in authority stranger; do
  openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=$name" -keyout $name.key -out $name.pem
done
openssl req -newkey rsa:2048 -nodes -subj /CN=broker -keyout broker.key -out broker.csr
echo subjectAltName=DNS:localhost,IP:127.0.0.1 >broker.ext
openssl x509 -req -days 2 -in broker.csr -extfile broker.ext \
  -CA authority.pem -CAkey authority.key -CAcreateserial -out broker.crt
openssl pkcs8 -topk8 -nocrypt -in broker.key -out broker.pk8
cat broker.pk8 broker.crt >broker.pem
"#;

pub const USER: &str = "quell";

pub struct Secured {
    dir: PathBuf,
    plain: u16,
    secured: u16,
    /// The user's password; of this process alone.
    pub password: String,
    _keeper: Child,
}

/// The broker; started by the first who asks.
pub fn secured() -> &'static Secured {
    static BROKER: OnceLock<Secured> = OnceLock::new();
    BROKER.get_or_init(start)
}

impl Secured {
    /// For a deployment: the test itself uses the plain listener, engines and commands the secured one.
    pub fn kafka(&self) -> Kafka {
        Kafka {
            bootstrap: format!("127.0.0.1:{}", self.plain),
            engines: format!("127.0.0.1:{}", self.secured),
            replication_factor: 1,
            client: self.client(&self.authority()),
            environment: vec![("QUELL_KAFKA__CLIENT__SASL_PASSWORD", self.password.clone())],
        }
    }

    /// The certificate of the authority that the broker's is of.
    pub fn authority(&self) -> PathBuf {
        self.dir.join("authority.pem")
    }

    /// That of another one.
    pub fn stranger(&self) -> PathBuf {
        self.dir.join("stranger.pem")
    }

    /// Lines of `[kafka.client]`, all but the password. librdkafka says what it was configured with.
    fn client(&self, authority: &Path) -> String {
        format!(
            "security.protocol = \"SASL_SSL\"\n\
             sasl.mechanism = \"SCRAM-SHA-512\"\n\
             sasl.username = \"{USER}\"\n\
             ssl.ca.location = \"{}\"\n\
             debug = \"conf,security\"",
            authority.display()
        )
    }
}

fn start() -> Secured {
    let dir = std::env::temp_dir().join(format!("quell-secured-{}", crate::unique()));
    std::fs::create_dir_all(&dir).unwrap();
    run("openssl", Command::new("bash").args(["-ec", CERTIFICATES]).arg(&dir));
    let (plain, secured) = (free_port(), free_port());
    let settings = format!(
        "process.roles=broker,controller\n\
         node.id=1\n\
         controller.quorum.voters=1@127.0.0.1:{controller}\n\
         listeners=PLAINTEXT://127.0.0.1:{plain},SASL_SSL://127.0.0.1:{secured},CONTROLLER://127.0.0.1:{controller}\n\
         advertised.listeners=PLAINTEXT://127.0.0.1:{plain},SASL_SSL://127.0.0.1:{secured}\n\
         listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT\n\
         controller.listener.names=CONTROLLER\n\
         inter.broker.listener.name=PLAINTEXT\n\
         sasl.enabled.mechanisms=SCRAM-SHA-512\n\
         listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=\
         org.apache.kafka.common.security.scram.ScramLoginModule required;\n\
         ssl.keystore.type=PEM\n\
         ssl.keystore.location={dir}/broker.pem\n\
         log.dirs={dir}/data\n\
         {common}",
        controller = plain + 1,
        dir = dir.display(),
        common = crate::cluster::common_settings(1),
    );
    std::fs::write(dir.join("server.properties"), settings).unwrap();
    let script = crate::tree().join("dev/kafka");
    let mut keeper = Command::new("bash")
        .args(["-c", KEEPER])
        .arg(&script)
        .arg(&dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let bootstrap = format!("127.0.0.1:{plain}");
    let client: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", &bootstrap).set("log_level", "0").create().unwrap();
    wait_for("the secured broker", || {
        let log = || std::fs::read_to_string(dir.join("kafka.log")).unwrap_or_default();
        assert!(keeper.try_wait().unwrap().is_none(), "the secured broker did not start: {}", log());
        client.fetch_metadata(None, Duration::from_secs(2)).ok()
    });
    let password = format!("opensesame-{}", crate::unique());
    let arguments = ["admin", "configs", "--bootstrap-server", &bootstrap, "--alter", "--entity-type", "users"];
    let credential = format!("SCRAM-SHA-512=[iterations=4096,password={password}]");
    run(
        "kafka-configs",
        Command::new(&script).args(arguments).args(["--entity-name", USER, "--add-config", &credential]),
    );
    Secured { dir, plain, secured, password, _keeper: keeper }
}

fn run(what: &str, command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stderr));
}
