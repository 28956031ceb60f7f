//! The processes under attack, and the ways to hurt them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::time::{Duration, Instant};

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use super::Scene;
use super::load::Truth;
use super::verdict::Verdict;
use crate::support::broker::{End, Jdk};
use crate::support::proxy::{Api, Fault, Proxy};
use crate::support::service::{Service, Settings};

/// Longer than the session time-out of the processes.
const FROZEN: Duration = Duration::from_secs(9);

const PATIENCE: Duration = Duration::from_secs(120);

/// After the last fault, how long until everything must be published.
const FAREWELL: Duration = Duration::from_secs(180);

/// So many entries of each log are told of a process that is not ready.
const LATEST: usize = 40;

/// How long the network waits for a request that seldom comes.
const SELDOM: Duration = Duration::from_secs(3);

/// Requests at which the network is at fault.
const APIS: [Api; 16] = [
    Api::END_TXN,
    Api::END_TXN,
    Api::END_TXN,
    Api::TXN_OFFSET_COMMIT,
    Api::TXN_OFFSET_COMMIT,
    Api::ADD_OFFSETS_TO_TXN,
    Api::ADD_PARTITIONS_TO_TXN,
    Api::PRODUCE,
    Api::PRODUCE,
    Api::INIT_PRODUCER_ID,
    Api::OFFSET_COMMIT,
    Api::OFFSET_FETCH,
    Api::FETCH,
    Api::HEARTBEAT,
    Api::JOIN_GROUP,
    Api::SYNC_GROUP,
];

/// Settings of seconds, so that deadlines, closing and expiry all happen within the run.
pub fn settings(servers: &str, prefix: &str) -> Settings {
    Settings::new(servers, prefix)
        .with("kafka/topics/partitions", 6.into())
        .with(
            "kafka/client",
            json!({
                "session.timeout.ms": "6000",
                "heartbeat.interval.ms": "1000",
                "reconnect.backoff.max.ms": "1000",
            }),
        )
        .with(
            "detection",
            json!({
                "attribution_window": "1s", "tuple_window": "5s", "pair_window": "500ms", "group_by": "10s",
                "settle": {"audited": "1s", "attributed": "2s", "none": "3s"}, "revise_after": "2s",
                "allowed_lateness": "20s", "clock_skew": "2s",
            }),
        )
}

/// The same with `group.protocol: consumer`.
pub fn settings_of_brokers_that_assign(servers: &str, prefix: &str) -> Settings {
    settings(servers, prefix).with(
        "kafka/client",
        json!({"group.protocol": "consumer", "reconnect.backoff.max.ms": "1000"}),
    )
}

/// How a run ended.
pub struct Ending {
    pub truth: Truth,
    pub verdict: Verdict,
    /// How often each kind of fault was done.
    pub faults: BTreeMap<&'static str, u64>,
    /// The longest time from a fault until everyone was ready again.
    pub longest_recovery: Duration,
}

/// Processes of one service.
pub struct Cluster {
    scene: Scene,
    /// The broker, where it is theirs to stop.
    broker: Option<Jdk>,
    processes: BTreeMap<usize, Service>,
    random: ChaCha8Rng,
    /// How often each kind of fault was done.
    faults: BTreeMap<&'static str, u64>,
    longest_recovery: Duration,
}

impl Cluster {
    pub fn start(scene: Scene, broker: Option<Jdk>, processes: usize, seed: u64) -> Self {
        let mut cluster = Self {
            scene,
            broker,
            processes: BTreeMap::new(),
            random: ChaCha8Rng::seed_from_u64(seed),
            faults: BTreeMap::new(),
            longest_recovery: Duration::ZERO,
        };
        (0..processes).for_each(|process| cluster.launch(process));
        cluster.await_ready();
        cluster
    }

    fn launch(&mut self, process: usize) {
        let own = ("PIPEWARDEN_CORRELATOR__INSTANCE", format!("process-{process}"));
        self.processes
            .insert(process, Service::start_with(&self.scene.settings, [own]));
    }

    fn count(&mut self, fault: &'static str) {
        *self.faults.entry(fault).or_default() += 1;
    }

    /// One process, or several, or the broker.
    pub fn hurt(&mut self) {
        let began = Instant::now();
        match self.random.random_range(0..100) {
            0..72 => self.kill(),
            72..80 => self.kill_all(),
            80..88 => self.terminate(),
            88..94 => self.join_and_leave(),
            94..97 => self.freeze(),
            _ => self.restart_broker(End::Stop),
        }
        self.breathe(began);
    }

    /// A network that is at fault once, at requests on which exactly once depends more often than at others; in some cases a
    /// process is killed then. `number` chooses the kind of fault.
    pub fn disturb(&mut self, proxy: &Proxy, number: u64) {
        let millis = |random: &mut ChaCha8Rng, most| Duration::from_millis(random.random_range(50..most));
        let fault = match number % 5 {
            0 => Fault::Hold(millis(&mut self.random, 3_000)),
            1 => Fault::Delay(20, millis(&mut self.random, 400)),
            2 => Fault::Cut,
            3 => Fault::LoseAnswer,
            _ => Fault::Duplicate(millis(&mut self.random, 3_000)),
        };
        let api = APIS[self.random.random_range(0..APIS.len())];
        let do_brokers_assign = !self.scene.settings.value["kafka"]["client"]["group.protocol"].is_null();
        let api = match api {
            Api::JOIN_GROUP | Api::SYNC_GROUP | Api::HEARTBEAT if do_brokers_assign => Api::GROUP_HEARTBEAT,
            api => api,
        };
        proxy.disturb(api, fault, SELDOM);
        if self.random.random_bool(0.15) {
            self.kill();
        }
        std::thread::sleep(Duration::from_millis(self.random.random_range(0..1_500)));
        self.restart_ended();
    }

    /// Half of the time everyone recovers before the next fault comes; else it comes in the midst of the recovery.
    fn breathe(&mut self, began: Instant) {
        if self.random.random_bool(0.5) {
            self.await_ready();
            self.longest_recovery = self.longest_recovery.max(began.elapsed());
        } else {
            std::thread::sleep(Duration::from_millis(self.random.random_range(0..2_500)));
        }
    }

    fn any(&mut self) -> usize {
        let index = self.random.random_range(0..self.processes.len());
        *self.processes.keys().nth(index).unwrap()
    }

    pub fn kill(&mut self) {
        let process = self.any();
        self.processes.remove(&process).unwrap().kill();
        self.launch(process);
        self.count("kill");
    }

    fn kill_all(&mut self) {
        for process in self.processes.keys().copied().collect::<Vec<_>>() {
            self.processes.remove(&process).unwrap().kill();
            self.count("kill");
            self.launch(process);
        }
    }

    pub fn terminate(&mut self) {
        let process = self.any();
        let service = self.processes.remove(&process).unwrap();
        service.signal("TERM");
        let (status, log) = service.wait();
        // Before it could listen to signals, it ends as every process does.
        let was_early = status.signal().is_some();
        assert!(status.success() || was_early || says_fenced(&log), "{log:#?}");
        self.launch(process);
        self.count("SIGTERM");
    }

    /// A rolling update: one process after another ends in order and comes back under its name, and the next waits until
    /// all are ready.
    pub fn roll(&mut self) {
        for process in self.processes.keys().copied().collect::<Vec<_>>() {
            let service = self.processes.remove(&process).unwrap();
            service.signal("TERM");
            let (status, log) = service.wait();
            assert!(status.success(), "{log:#?}");
            self.launch(process);
            self.await_ready();
            self.count("rolled");
        }
    }

    /// A process more, and then one less.
    pub fn join_and_leave(&mut self) {
        let newcomer = self.processes.keys().max().unwrap() + 1;
        self.launch(newcomer);
        self.await_ready();
        self.count("join");
        let service = self.processes.remove(&newcomer).unwrap();
        service.signal("TERM");
        service.wait();
        self.count("leave");
    }

    /// A process that sleeps past its session and wakes up as a zombie.
    pub fn freeze(&mut self) {
        let process = self.any();
        self.processes[&process].signal("STOP");
        std::thread::sleep(FROZEN);
        self.processes[&process].signal("CONT");
        self.count("zombie");
    }

    pub fn restart_broker(&mut self, how: End) {
        let broker = self
            .broker
            .as_mut()
            .expect("a broker that others use is not stopped");
        broker.end(how);
        std::thread::sleep(Duration::from_millis(self.random.random_range(0..4_000)));
        broker.launch().unwrap();
        self.count(match how {
            End::Stop => "broker stopped",
            End::Kill => "broker killed",
        });
    }

    /// Waits until every process is ready. One that has ended because its producer was given up is started again, as
    /// Kubernetes does.
    pub fn await_ready(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while let Some(process) = self.not_ready() {
            self.restart_ended();
            assert!(
                Instant::now() < deadline,
                "process {process} is not ready within {PATIENCE:?}\n{}",
                self.tell()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn restart_ended(&mut self) {
        for process in self.processes.keys().copied().collect::<Vec<_>>() {
            if self.processes.get_mut(&process).is_some_and(Service::has_ended) {
                let (_, log) = self.processes.remove(&process).unwrap().wait();
                assert!(says_fenced(&log), "{log:#?}");
                self.count("ended by itself");
                self.launch(process);
            }
        }
    }

    fn not_ready(&self) -> Option<usize> {
        self.processes
            .iter()
            .find(|(_, service)| !works(service))
            .map(|(process, _)| *process)
    }

    /// Why each process is not ready, and then its state and what it logged last, a line each: who reads it may have no more
    /// than the beginning and the end.
    fn tell(&self) -> String {
        let mut text = String::new();
        for (process, service) in &self.processes {
            writeln!(text, "process {process}: {:?}", service.unready()).unwrap();
        }
        for (process, service) in &self.processes {
            writeln!(text, "== process {process}: {:?}", service.ask("/status")).unwrap();
            let log = service.log();
            for entry in log.iter().skip(log.len().saturating_sub(LATEST)) {
                writeln!(text, "{entry}").unwrap();
            }
        }
        text
    }

    /// How often a kind of fault was done.
    pub fn faults(&self, kind: &str) -> u64 {
        self.faults.get(kind).copied().unwrap_or_default()
    }

    /// Where the run stands, for whoever watches it.
    pub fn progress(&self) -> String {
        format!("{} events, {:?}", self.scene.load.events(), self.faults)
    }

    /// Ends the load, waits until everything that was sent has come out, ends all processes in order, and judges.
    pub fn end(mut self) -> Ending {
        let truth = self.scene.load.stop();
        self.await_ready();
        let deadline = Instant::now() + FAREWELL;
        let lost = loop {
            let lost = self.scene.verdict(&truth).lost;
            if lost.is_empty() || Instant::now() > deadline {
                break lost;
            }
            self.await_ready();
        };
        for service in std::mem::take(&mut self.processes).into_values() {
            service.signal("TERM");
            service.wait();
        }
        let verdict = Verdict {
            lost,
            ..self.scene.verdict(&truth)
        };
        Ending {
            truth,
            verdict,
            faults: self.faults,
            longest_recovery: self.longest_recovery,
        }
    }
}

/// Whether a process is ready, or would be if its commits were faster: beside other load a broker takes its time, and no fault
/// of this test is to wait a minute for that.
fn works(service: &Service) -> bool {
    service
        .unready()
        .is_some_and(|reasons| reasons.iter().all(|reason| reason.contains("slow or repeated")))
}

/// Whether a process ended because the broker gave its producer up, which is right.
fn says_fenced(log: &[serde_json::Value]) -> bool {
    log.iter().any(|entry| {
        entry["message"]
            .as_str()
            .is_some_and(|message| message.contains("transactional producer"))
    })
}
