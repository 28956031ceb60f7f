//! A real Apache Kafka broker for tests, one for all tests of the binary.
//!
//! Found in this order: `PIPEWARDEN_TEST_BROKERS`; a Docker daemon, through testcontainers; the Apache Kafka distribution
//! from Maven Central, started on the JDK. A test that finds none skips loudly, or fails where
//! `PIPEWARDEN_REQUIRE_BROKER=1` says that it must run.

use std::any::Any;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::producer::BaseProducer;
use testcontainers::core::{ContainerPort, WaitFor};
use testcontainers::runners::SyncRunner as _;
use testcontainers::{GenericImage, ImageExt as _};

use super::libraries::libraries;

/// Kafka's version, as the pom and the image name it.
const VERSION: &str = "4.1.0";
const POM: &str = "tests/broker/support/kafka/pom.xml";

/// How long a broker may take to answer.
const PATIENCE: Duration = Duration::from_secs(90);

/// Options of Java for a broker on the JDK: little memory, and a quick start, unless somebody sets it first.
pub static JAVA: OnceLock<&str> = OnceLock::new();
const FOR_TESTS: &str = "-Xmx512m -Xms128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1";

/// The broker of this test binary, or `None` with a loud word where there is none and none is required.
pub fn broker() -> Option<&'static Broker> {
    static BROKER: OnceLock<Result<Broker, String>> = OnceLock::new();
    match BROKER.get_or_init(Broker::find) {
        Ok(broker) => Some(broker),
        Err(reason) => {
            skip(reason);
            None
        }
    }
}

/// Says loudly that a test is skipped for want of a broker; fails it where one is required.
pub fn skip(reason: &str) {
    if std::env::var("PIPEWARDEN_REQUIRE_BROKER").is_ok_and(|value| value == "1") {
        panic!("PIPEWARDEN_REQUIRE_BROKER=1 and there is no broker: {reason}");
    }
    eprintln!("SKIPPED: this test needs a Kafka broker and there is none: {reason}");
}

/// A broker that somebody else looks after.
pub fn at(servers: &str) -> Broker {
    Broker {
        servers: servers.to_owned(),
        _alive: None,
        producer: OnceLock::new(),
    }
}

/// A broker and how to reach it.
pub struct Broker {
    servers: String,
    /// What keeps it alive: a container, a process; nothing where somebody else looks after it.
    _alive: Option<Box<dyn Any + Send + Sync>>,
    producer: OnceLock<BaseProducer>,
}

impl Broker {
    fn find() -> Result<Self, String> {
        if let Ok(servers) = std::env::var("PIPEWARDEN_TEST_BROKERS") {
            return await_answer(&servers).map(|()| at(&servers));
        }
        let docker = match docker() {
            Ok(broker) => return Ok(broker),
            Err(reason) => reason,
        };
        let jdk = Jdk::start()
            .map_err(|reason| format!("no Docker ({docker}); no broker on the JDK ({reason})"))?;
        Ok(Self {
            servers: jdk.servers(),
            _alive: Some(Box::new(jdk)),
            producer: OnceLock::new(),
        })
    }

    /// Bootstrap servers.
    pub fn servers(&self) -> &str {
        &self.servers
    }

    /// A prefix for topics and groups that no other test uses.
    pub fn prefix(&self, test: &str) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        format!(
            "{test}-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        )
    }

    /// The producer that all tests share: each would wait for a connection and an id of its own.
    pub fn producer(&self) -> &BaseProducer {
        self.producer.get_or_init(|| {
            self.client()
                .set("enable.idempotence", "true")
                .set("linger.ms", "0")
                .create()
                .unwrap()
        })
    }

    /// A client configuration with nothing but the servers.
    pub fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.servers);
        config
    }
}

/// Returns when a broker answers a metadata request.
fn await_answer(servers: &str) -> Result<(), String> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", servers)
        .set("log_level", "0")
        .create()
        .map_err(|error| error.to_string())?;
    let began = Instant::now();
    loop {
        match consumer.fetch_metadata(None, Duration::from_secs(2)) {
            Ok(metadata) if !metadata.brokers().is_empty() => return Ok(()),
            Ok(_) => {}
            Err(error) if began.elapsed() > PATIENCE => {
                return Err(format!("{servers} does not answer: {error}"));
            }
            Err(_) => {}
        }
    }
}

fn docker() -> Result<Broker, String> {
    let port = free_port()?;
    // Asked first: testcontainers would wait long for a daemon that is not there.
    let socket = std::env::var("DOCKER_HOST").unwrap_or_else(|_| "unix:///var/run/docker.sock".to_owned());
    if let Some(path) = socket.strip_prefix("unix://") {
        std::os::unix::net::UnixStream::connect(path).map_err(|error| format!("{path}: {error}"))?;
    }
    let listeners = "PLAINTEXT://0.0.0.0:9092,CONTROLLER://0.0.0.0:9093";
    let container = GenericImage::new("apache/kafka", VERSION)
        .with_wait_for(WaitFor::message_on_stdout("Kafka Server started"))
        .with_mapped_port(port, ContainerPort::Tcp(9092))
        .with_env_var("KAFKA_NODE_ID", "1")
        .with_env_var("KAFKA_PROCESS_ROLES", "broker,controller")
        .with_env_var("KAFKA_LISTENERS", listeners)
        .with_env_var(
            "KAFKA_ADVERTISED_LISTENERS",
            format!("PLAINTEXT://127.0.0.1:{port}"),
        )
        .with_env_var("KAFKA_CONTROLLER_LISTENER_NAMES", "CONTROLLER")
        .with_env_var(
            "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP",
            "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        )
        .with_env_var("KAFKA_CONTROLLER_QUORUM_VOTERS", "1@localhost:9093")
        .with_env_var("KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR", "1")
        .with_env_var("KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR", "1")
        .with_env_var("KAFKA_TRANSACTION_STATE_LOG_MIN_ISR", "1")
        .with_env_var("KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS", "0")
        .with_env_var("KAFKA_GROUP_CONSUMER_MIN_SESSION_TIMEOUT_MS", "6000")
        .with_env_var("KAFKA_GROUP_CONSUMER_SESSION_TIMEOUT_MS", "6000")
        .with_env_var("KAFKA_GROUP_CONSUMER_MIN_HEARTBEAT_INTERVAL_MS", "1000")
        .with_env_var("KAFKA_GROUP_CONSUMER_HEARTBEAT_INTERVAL_MS", "1500")
        .with_env_var("KAFKA_AUTO_CREATE_TOPICS_ENABLE", "false")
        .start()
        .map_err(|error| error.to_string())?;
    let servers = format!("127.0.0.1:{port}");
    await_answer(&servers)?;
    Ok(Broker {
        servers,
        _alive: Some(Box::new(container)),
        producer: OnceLock::new(),
    })
}

/// A broker on the JDK. A shell stands between it and the tests: when the pipe to that shell closes, with the test binary
/// however that ends, the shell ends the broker and removes its folder.
pub struct Jdk {
    port: u16,
    folder: tempfile::TempDir,
    classpath: String,
    shell: Option<(Child, ChildStdin)>,
}

/// What one broker has beyond the others.
#[derive(Default)]
pub struct Extra {
    /// Lines of `server.properties`; the last of equal keys counts. `PLAINTEXT_PORT` and `CONTROLLER_PORT` stand for the
    /// ports of the usual listeners.
    pub properties: String,
    /// Arguments of the formatting tool.
    pub format: Vec<String>,
}

/// How a broker ends that will be started again.
#[derive(Clone, Copy, Debug)]
pub enum End {
    /// In order.
    Stop,
    /// At once.
    Kill,
}

impl Jdk {
    /// Starts a broker of its own, with nothing in it, and waits until it answers.
    pub fn start() -> Result<Self, String> {
        Self::start_with(|_| Ok(Extra::default()))
    }

    /// The same, with more settings, which are given the broker's folder.
    pub fn start_with(extra: impl FnOnce(&Path) -> Result<Extra, String>) -> Result<Self, String> {
        let (port, controller) = (free_port()?, free_port()?);
        let folder = tempfile::Builder::new()
            .prefix("pipewarden-kafka-")
            .tempdir()
            .map_err(|error| error.to_string())?;
        let extra = extra(folder.path())?;
        let properties = folder.path().join("server.properties");
        let text = server_properties(port, controller, &folder.path().join("data")) + &extra.properties;
        let text = text
            .replace("PLAINTEXT_PORT", &port.to_string())
            .replace("CONTROLLER_PORT", &controller.to_string());
        std::fs::write(&properties, text).map_err(|error| error.to_string())?;
        let libraries = libraries(&format!("kafka-{VERSION}"), POM)?;
        let classpath = format!("{}/*", libraries.display());
        let format = Command::new("java")
            .args([
                "-Xmx256m",
                "-cp",
                &classpath,
                "kafka.tools.StorageTool",
                "format",
                "--standalone",
            ])
            .args(["-t", "cGlwZXdhcmRlbi10ZXN0cw", "-c"])
            .arg(&properties)
            .args(&extra.format)
            .output()
            .map_err(|error| format!("java: {error}"))?;
        if !format.status.success() {
            return Err(format!(
                "StorageTool: {}",
                String::from_utf8_lossy(&format.stderr)
            ));
        }
        let mut broker = Self {
            port,
            folder,
            classpath,
            shell: None,
        };
        broker.launch()?;
        Ok(broker)
    }

    /// Runs one of Kafka's own command line tools to its end, as its class.
    pub fn tool(&self, class: &str, arguments: &[&str]) {
        let output = Command::new("java")
            .args(["-Xmx128m", "-cp", &self.classpath, class])
            .args(arguments)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{class} {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// Bootstrap servers.
    pub fn servers(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Starts the broker's process and waits until it answers.
    pub fn launch(&mut self) -> Result<(), String> {
        let folder = self.folder.path();
        let log = File::options()
            .create(true)
            .append(true)
            .open(folder.join("log"))
            .map_err(|error| error.to_string())?;
        let errors = log.try_clone().map_err(|error| error.to_string())?;
        let script = "java $3 -cp \"$0\" kafka.Kafka \"$1\" </dev/null &
            broker=$!
            while read -r word; do last=$word; done
            case $last in
                stop) kill $broker; wait $broker ;;
                kill) kill -9 $broker; wait $broker ;;
                *) kill -9 $broker; wait $broker; rm -rf \"$2\" ;;
            esac 2>/dev/null";
        let mut child = Command::new("sh")
            .args(["-c", script, &self.classpath])
            .arg(folder.join("server.properties"))
            .arg(folder)
            .arg(JAVA.get_or_init(|| FOR_TESTS))
            .stdin(Stdio::piped())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .map_err(|error| error.to_string())?;
        let lifeline = child.stdin.take().ok_or("no pipe to the shell")?;
        self.shell = Some((child, lifeline));
        await_answer(&self.servers()).map_err(|reason| format!("{reason}\n{}", self.log()))
    }

    /// Ends the broker's process; its data stay.
    pub fn end(&mut self, how: End) {
        let word: &[u8] = match how {
            End::Stop => b"stop\n",
            End::Kill => b"kill\n",
        };
        if let Some((mut child, mut lifeline)) = self.shell.take() {
            lifeline.write_all(word).unwrap();
            drop(lifeline);
            child.wait().unwrap();
        }
    }

    /// The end of the broker's log.
    fn log(&self) -> String {
        let mut text = String::new();
        let read =
            File::open(self.folder.path().join("log")).and_then(|mut log| log.read_to_string(&mut text));
        if let Err(error) = read {
            return error.to_string();
        }
        text.lines().rev().take(20).collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Jdk {
    fn drop(&mut self) {
        if let Some((mut child, lifeline)) = self.shell.take() {
            drop(lifeline);
            let _ = child.wait();
        }
    }
}

fn server_properties(port: u16, controller: u16, data: &Path) -> String {
    format!(
        "process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.quorum.bootstrap.servers=127.0.0.1:{controller}
log.dirs={}
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.consumer.min.session.timeout.ms=6000
group.consumer.session.timeout.ms=6000
group.consumer.min.heartbeat.interval.ms=1000
group.consumer.heartbeat.interval.ms=1500
auto.create.topics.enable=false
",
        data.display()
    )
}

pub fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    listener
        .local_addr()
        .map(|address| address.port())
        .map_err(|error| error.to_string())
}
