//! A proxy between clients and one broker that knows where requests of Kafka's protocol begin and end: it can keep one back,
//! cut the connection that it came on, and let it arrive later, as a network may; and hold, delay, lose or spoil one.
//!
//! A request is a length in four bytes, then the API's key and version in two bytes each, then a number by which the client
//! knows the answer (`kafka.apache.org/protocol`). Nothing else of it is read.

mod fault;

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

pub use fault::Fault;

/// How long anything that a test waits for may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A kind of request, by its key in the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Api(i16);

impl Api {
    pub const PRODUCE: Self = Self(0);
    pub const FETCH: Self = Self(1);
    pub const OFFSET_COMMIT: Self = Self(8);
    pub const OFFSET_FETCH: Self = Self(9);
    pub const JOIN_GROUP: Self = Self(11);
    pub const HEARTBEAT: Self = Self(12);
    pub const SYNC_GROUP: Self = Self(14);
    pub const INIT_PRODUCER_ID: Self = Self(22);
    pub const ADD_PARTITIONS_TO_TXN: Self = Self(24);
    pub const ADD_OFFSETS_TO_TXN: Self = Self(25);
    pub const END_TXN: Self = Self(26);
    pub const GROUP_HEARTBEAT: Self = Self(68);
    pub const TXN_OFFSET_COMMIT: Self = Self(28);

    fn of(request: &[u8]) -> Option<Self> {
        let key = request.get(4..6)?;
        Some(Self(i16::from_be_bytes([key[0], key[1]])))
    }
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    /// It is kept, and the connection that it came on is cut.
    KeepAndCut,
    /// Everything that was kept arrives; this one and all of its kind vanish, until [`Proxy::unblock`].
    ReleaseAndBlock,
    /// Everything that was kept arrives, and then this one.
    Release,
    /// It arrives with another generation of its group than the client has put into it.
    Spoil,
    /// The network is at fault.
    Fault(Fault),
}

/// What becomes of the next request of a kind.
#[derive(Debug)]
struct Plan {
    api: Api,
    action: Action,
    /// Not before one request has passed that holds all of these texts.
    after: Vec<Vec<u8>>,
}

#[derive(Default)]
struct State {
    plans: Vec<Plan>,
    kept: VecDeque<Vec<u8>>,
    /// Requests of this kind that hold this text vanish.
    blocked: Vec<(Api, Vec<u8>)>,
    /// How many have.
    vanished: u32,
    /// How many plans have been carried out.
    carried_out: u32,
    /// How many faults of the network, by kind.
    faults: BTreeMap<&'static str, u64>,
    is_over: bool,
}

impl State {
    /// What is to become of this request.
    fn action_for(&mut self, request: &[u8]) -> Option<(Api, Action)> {
        let api = Api::of(request)?;
        let due = self
            .plans
            .iter()
            .position(|plan| plan.api == api && plan.after.is_empty());
        let due = due.map(|place| self.plans.remove(place));
        let holds = |text: &Vec<u8>| memchr::memmem::find(request, text).is_some();
        for plan in &mut self.plans {
            if plan.after.iter().all(holds) {
                plan.after.clear();
            }
        }
        due.map(|plan| (api, plan.action))
    }
}

/// A proxy in front of one broker. It ends with the test.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    broker: Mutex<Option<SocketAddr>>,
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // A test that fails while it holds the lock ends all the same.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connect(&self) -> io::Result<TcpStream> {
        let broker = self.broker.lock().unwrap().expect("the proxy knows its broker");
        let stream = TcpStream::connect(broker)?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// Lets everything that was kept arrive, each on a connection of its own, and waits for the answers.
    fn release(&self) -> io::Result<()> {
        loop {
            let Some(request) = self.state().kept.pop_front() else {
                return Ok(());
            };
            self.send_alone(&request)?;
        }
    }

    /// Lets a request arrive on a connection of its own, and waits for the answer.
    fn send_alone(&self, request: &[u8]) -> io::Result<()> {
        let mut connection = self.connect()?;
        connection.set_read_timeout(Some(PATIENCE))?;
        connection.write_all(request)?;
        frame(&mut connection).map(drop)
    }

    fn vanishes(&self, request: &[u8]) -> bool {
        let mut state = self.state();
        let is_blocked = state.blocked.iter().any(|(api, text)| {
            Api::of(request) == Some(*api) && memchr::memmem::find(request, text).is_some()
        });
        if is_blocked {
            state.vanished += 1;
            self.changed.notify_all();
        }
        is_blocked
    }

    fn note(&self, action: Action) {
        if let Action::Fault(fault) = action {
            *self.state().faults.entry(fault.kind()).or_default() += 1;
        }
    }

    fn carried_out(&self) {
        self.state().carried_out += 1;
        self.changed.notify_all();
    }
}

impl Proxy {
    /// A proxy that listens; [`Proxy::forward_to`] says where to.
    pub fn listen() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            broker: Mutex::new(None),
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming() {
                if accepting.state().is_over {
                    return;
                }
                let (Ok(client), Ok(broker)) = (client, accepting.connect()) else {
                    continue;
                };
                let shared = Arc::clone(&accepting);
                // Whichever side ends first ends the other.
                thread::spawn(move || drop(serve(&client, &broker, &shared)));
            }
        });
        Self { address, shared }
    }

    /// The port that clients are to be told of.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Where the broker listens for what comes through the proxy.
    pub fn forward_to(&self, port: u16) {
        *self.shared.broker.lock().unwrap() = Some(SocketAddr::from(([127, 0, 0, 1], port)));
    }

    /// The next request of this kind is kept, and its connection is cut: the client will ask again.
    pub fn keep_next(&self, api: Api) {
        self.keep(api, &[]);
    }

    /// The same, once a request has passed that holds all these texts.
    pub fn keep(&self, api: Api, after: &[&str]) {
        self.plan(api, Action::KeepAndCut, after);
    }

    /// Once a request has passed that holds all these texts, the next of this kind lets arrive what was kept, and vanishes
    /// with all others of its kind.
    pub fn release_and_block(&self, api: Api, after: &[&str]) {
        self.plan(api, Action::ReleaseAndBlock, after);
    }

    /// Once a request has passed that holds all these texts, the next `TxnOffsetCommit` arrives with a generation that its group
    /// rejects.
    pub fn spoil_offsets(&self, after: &[&str]) {
        self.plan(Api::TXN_OFFSET_COMMIT, Action::Spoil, after);
    }

    /// Once a request has passed that holds all these texts, what was kept arrives before the next of this kind.
    pub fn release_before(&self, api: Api, after: &[&str]) {
        self.plan(api, Action::Release, after);
    }

    /// The network does this to the next request of this kind. Returns when it has; false if no such request comes for so long.
    pub fn disturb(&self, api: Api, fault: Fault, within: Duration) -> bool {
        self.plan(api, Action::Fault(fault), &[]);
        let began = Instant::now();
        let is_planned = |plan: &Plan| plan.action == Action::Fault(fault) && plan.api == api;
        let mut state = self.shared.state();
        while state.plans.iter().any(is_planned) {
            let Some(left) = within.checked_sub(began.elapsed()) else {
                state.plans.retain(|plan| !is_planned(plan));
                return false;
            };
            state = self.shared.changed.wait_timeout(state, left).unwrap().0;
        }
        true
    }

    /// How often the network was at fault, by kind.
    pub fn faults(&self) -> BTreeMap<&'static str, u64> {
        self.shared.state().faults.clone()
    }

    /// From now on requests of this kind that hold this text vanish, until [`Proxy::unblock`].
    pub fn block(&self, api: Api, text: &str) {
        let mut state = self.shared.state();
        state.vanished = 0;
        state.blocked.push((api, text.as_bytes().to_vec()));
    }

    /// Waits until a request has vanished.
    #[track_caller]
    pub fn await_vanished(&self) {
        let began = Instant::now();
        let mut state = self.shared.state();
        while state.vanished == 0 {
            let left = PATIENCE.checked_sub(began.elapsed());
            let left = left.expect("a request that vanishes comes");
            state = self.shared.changed.wait_timeout(state, left).unwrap().0;
        }
    }

    /// Nothing vanishes any more.
    pub fn unblock(&self) {
        self.shared.state().blocked.clear();
    }

    /// Lets arrive what was kept.
    pub fn release(&self) {
        self.shared.release().unwrap();
    }

    fn plan(&self, api: Api, action: Action, after: &[&str]) {
        let after = after.iter().map(|text| text.as_bytes().to_vec()).collect();
        self.shared.state().plans.push(Plan { api, action, after });
    }

    /// Waits until everything that was planned has happened.
    #[track_caller]
    pub fn await_plans(&self) {
        let began = Instant::now();
        let mut state = self.shared.state();
        while state.carried_out == 0 || !state.plans.is_empty() {
            let left = PATIENCE.checked_sub(began.elapsed());
            let left = left.unwrap_or_else(|| panic!("{:?} never came", state.plans));
            state = self.shared.changed.wait_timeout(state, left).unwrap().0;
        }
        state.carried_out = 0;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.state().is_over = true;
        // Wakes the thread that accepts.
        drop(TcpStream::connect(self.address));
    }
}

/// Passes requests to the broker and answers back until either side ends.
fn serve(client: &TcpStream, broker: &TcpStream, shared: &Arc<Shared>) -> io::Result<()> {
    client.set_nodelay(true)?;
    let (mut answers, mut to_client) = (broker.try_clone()?, client.try_clone()?);
    let back = thread::spawn(move || io::copy(&mut answers, &mut to_client));
    let ended = pass_requests(client, broker, shared);
    drop(broker.shutdown(Shutdown::Both));
    drop(client.shutdown(Shutdown::Both));
    drop(back.join());
    ended
}

fn pass_requests(mut client: &TcpStream, broker: &TcpStream, shared: &Arc<Shared>) -> io::Result<()> {
    let mut slow = (0, Duration::ZERO);
    loop {
        let request = frame(&mut client)?;
        let planned = shared.state().action_for(&request);
        if slow.0 > 0 {
            slow.0 -= 1;
            thread::sleep(slow.1);
        }
        let Some((api, action)) = planned else {
            if !shared.vanishes(&request) {
                (&*broker).write_all(&request)?;
            }
            continue;
        };
        shared.note(action);
        match action {
            Action::KeepAndCut => {
                shared.state().kept.push_back(request);
                shared.carried_out();
                return Ok(());
            }
            Action::ReleaseAndBlock => {
                shared.release()?;
                shared.state().blocked.push((api, Vec::new()));
            }
            Action::Release => {
                shared.release()?;
                (&*broker).write_all(&request)?;
            }
            Action::Spoil => (&*broker).write_all(&fault::with_another_generation(request))?,
            Action::Fault(fault) => {
                shared.carried_out();
                if !fault::happen(fault, request, (client, broker), shared, &mut slow)? {
                    return Ok(());
                }
                continue;
            }
        }
        shared.carried_out();
    }
}

/// One request or answer, whole.
fn frame(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let size = usize::try_from(i32::from_be_bytes(length)).map_err(io::Error::other)?;
    let mut frame = length.to_vec();
    frame.resize(4 + size, 0);
    from.read_exact(&mut frame[4..])?;
    Ok(frame)
}
