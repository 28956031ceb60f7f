//! The real program as a process: its settings, its log, its endpoints, signals to it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(60);

/// A wait that is worth a word.
const SLOW: Duration = Duration::from_secs(10);

/// How long a process may take to end: a last transaction alone has a minute before the worker gives up.
const FAREWELL: Duration = Duration::from_secs(150);

/// Settings in a file of their own.
pub struct Settings {
    folder: tempfile::TempDir,
    pub value: Value,
    /// The program that they are for.
    pub program: PathBuf,
}

impl Settings {
    /// Small topics below a prefix, fast commits, any free port, no inventory.
    pub fn new(servers: &str, prefix: &str) -> Self {
        let value = json!({
            "kafka": {
                "brokers": servers,
                "application_id": prefix,
                "topics": {
                    "input": [format!("{prefix}.winlogbeat")],
                    "observations": format!("{prefix}.observations"),
                    "sightings": format!("{prefix}.sightings"),
                    "alerts": format!("{prefix}.alerts"),
                    "suppressed": format!("{prefix}.suppressed"),
                    "alerts_ocsf": format!("{prefix}.alerts.ocsf"),
                    "dead_letters": format!("{prefix}.dead-letters"),
                    "bindings": format!("{prefix}.bindings"),
                    "partitions": 12,
                    "replication_factor": 1,
                },
            },
            "router": {"commit_interval": "200ms"},
            "reload": {"interval": "100ms"},
            "http": {"listen": "127.0.0.1:0"},
            "log": {"format": "json"},
        });
        Self {
            folder: tempfile::tempdir().unwrap(),
            value,
            program: env!("CARGO_BIN_EXE_pipewarden").into(),
        }
    }

    /// Sets the value that a JSON pointer names.
    pub fn with(mut self, pointer: &str, value: Value) -> Self {
        let mut place = &mut self.value;
        for key in pointer.split('/') {
            place = &mut place[key];
        }
        *place = value;
        self
    }

    pub fn topic(&self, name: &str) -> &str {
        let topic = &self.value["kafka"]["topics"][name];
        topic.as_str().or_else(|| topic[0].as_str()).unwrap()
    }

    /// The settings of now in a file that is never written again: a process may read it late.
    pub fn file(&self) -> PathBuf {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = self.folder.path().join(format!("pipewarden-{number}.json"));
        std::fs::write(&path, self.value.to_string()).unwrap();
        path
    }

    /// Runs a command of the program to its end.
    pub fn command(&self, arguments: &[&str]) -> Output {
        self.command_of_program()
            .args(arguments)
            .arg("--config")
            .arg(self.file())
            .output()
            .unwrap()
    }

    fn command_of_program(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")));
        command
    }

    /// Creates all topics, as a new user would.
    pub fn create_topics(&self) {
        let output = self.command(&["topics", "create", "--with-input"]);
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        // A broker that has created a topic may not know it yet when it is asked next.
        let began = Instant::now();
        while !self.command(&["topics", "check"]).status.success() && began.elapsed() < PATIENCE {}
    }
}

/// Lines of the log so far, and whether it has ended.
type Log = Arc<(Mutex<(Vec<Value>, bool)>, Condvar)>;

/// A running service. Killed when dropped.
pub struct Service {
    child: Child,
    log: Log,
    reader: Option<JoinHandle<()>>,
}

impl Service {
    pub fn start(settings: &Settings) -> Self {
        Self::start_with(settings, [])
    }

    /// The same, with settings of its own in the environment, as a pod has its name.
    pub fn start_with<const N: usize>(settings: &Settings, own: [(&str, String); N]) -> Self {
        let mut child = settings
            .command_of_program()
            .args(["run", "--config"])
            .arg(settings.file())
            .envs(own)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = child.stderr.take().unwrap();
        let mut copy = copy_of_log(child.id());
        let log = Log::default();
        let shared = Arc::clone(&log);
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines() {
                let Ok(line) = line else { break };
                if let Some(copy) = &mut copy {
                    writeln!(copy, "{line}").unwrap();
                }
                let entry = serde_json::from_str(&line).unwrap_or_else(|_| json!({ "message": line }));
                shared.0.lock().unwrap().0.push(entry);
                shared.1.notify_all();
            }
            shared.0.lock().unwrap().1 = true;
            shared.1.notify_all();
        });
        Self {
            child,
            log,
            reader: Some(reader),
        }
    }

    /// The process's id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The first log entry that satisfies, waited for.
    #[track_caller]
    pub fn await_log(&self, what: impl Fn(&Value) -> bool) -> Value {
        let (log, changed) = &*self.log;
        let deadline = Instant::now() + PATIENCE;
        let mut guard = log.lock().unwrap();
        loop {
            if let Some(found) = guard.0.iter().find(|entry| what(entry)) {
                return found.clone();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let has_ended = guard.1;
            assert!(
                !left.is_zero() && !has_ended,
                "the log does not say it: {:#?}",
                guard.0
            );
            guard = changed.wait_timeout(guard, left).unwrap().0;
        }
    }

    /// The first log entry whose message contains the text.
    #[track_caller]
    pub fn await_message(&self, text: &str) -> Value {
        self.await_log(|entry| {
            entry["message"]
                .as_str()
                .is_some_and(|message| message.contains(text))
        })
    }

    /// The whole log so far.
    pub fn log(&self) -> Vec<Value> {
        self.log.0.lock().unwrap().0.clone()
    }

    /// Where its endpoints are.
    #[track_caller]
    pub fn address(&self) -> SocketAddr {
        self.await_message("serving /metrics")["address"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap()
    }

    /// Status and body of an endpoint.
    #[track_caller]
    pub fn get(&self, path: &str) -> (u16, String) {
        get(self.address(), path).unwrap_or_else(|error| panic!("{path}: {error}\n{:#?}", self.log()))
    }

    /// Asks until the service says that it is ready.
    #[track_caller]
    pub fn await_ready(&self) {
        self.await_that("the service is ready", || self.get("/readyz").0 == 200);
    }

    /// The sum of all samples of a metric whose labels contain the text. There must be one.
    #[track_caller]
    pub fn metric(&self, name: &str, label: &str) -> f64 {
        let found = self.metric_if_any(name, label);
        found.unwrap_or_else(|| panic!("there is no metric {name} with {label:?}"))
    }

    /// The same of a metric that may not be there yet.
    pub fn metric_if_any(&self, name: &str, label: &str) -> Option<f64> {
        let (_, text) = self.get("/metrics");
        let samples = text.lines().filter(|line| {
            line.strip_prefix(name)
                .is_some_and(|rest| rest.starts_with(['{', ' ']))
                && line.contains(label)
        });
        let values = samples.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap());
        values.fold(None, |sum, value| Some(sum.unwrap_or_default() + value))
    }

    /// Asks again and again until it is so.
    #[track_caller]
    pub fn await_that(&self, what: &str, is_so: impl Fn() -> bool) {
        let began = Instant::now();
        let deadline = began + PATIENCE;
        while !is_so() {
            assert!(
                Instant::now() < deadline,
                "{what}: not within {PATIENCE:?}\n{:#?}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        if began.elapsed() > SLOW {
            eprintln!("{what}: only after {:.1?}", began.elapsed());
        }
    }

    /// Whether it answers that it is ready.
    pub fn is_ready(&self) -> bool {
        self.unready().is_some_and(|reasons| reasons.is_empty())
    }

    /// Why it is not ready, by its own answer; `None` where it does not answer at all.
    pub fn unready(&self) -> Option<Vec<String>> {
        let (_, answer) = self.ask("/readyz")?;
        let answer: Value = serde_json::from_str(&answer).ok()?;
        serde_json::from_value(answer["reasons"].clone()).ok()
    }

    /// Status and body of an endpoint, if it answers.
    pub fn ask(&self, path: &str) -> Option<(u16, String)> {
        let address = self
            .log()
            .iter()
            .find_map(|entry| entry["address"].as_str()?.parse().ok());
        get(address?, path).ok()
    }

    /// Whether the process has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Ends it as `kill -9` does.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends a signal: `TERM`, `INT`, `KILL`, `STOP`, `CONT`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args(["-s", name, &self.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// How the process ends, and all that it logged.
    #[track_caller]
    pub fn wait(mut self) -> (ExitStatus, Vec<Value>) {
        let deadline = Instant::now() + FAREWELL;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "it does not end: {:#?}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        };
        self.reader.take().unwrap().join().unwrap();
        (status, self.log())
    }
}

/// A file for what a process logs, where `PIPEWARDEN_TEST_LOGS` names a folder for them.
fn copy_of_log(process: u32) -> Option<std::fs::File> {
    let folder = PathBuf::from(std::env::var_os("PIPEWARDEN_TEST_LOGS")?);
    std::fs::create_dir_all(&folder).unwrap();
    Some(std::fs::File::create(folder.join(format!("{process}.log"))).unwrap())
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Status and body. In the version of HTTP that knows no chunks.
pub fn get(address: SocketAddr, path: &str) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok((status.unwrap_or_default(), body.to_owned()))
}
