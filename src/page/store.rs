//! What is held, shared between who reads alerts and who serves them.

use std::fmt::Display;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::sync::watch;

use super::answers::{About, Alerts, Health, ServiceState, Services};
use super::held::Held;
use super::intake::{Incoming, Line, explained, read_line};

/// What the page is of, and what it holds.
#[derive(Debug)]
pub struct Store {
    about: About,
    /// Another one for each run: numbers of changes begin anew with it.
    epoch: String,
    held: Mutex<Held>,
    problem: Mutex<Option<String>>,
    services: Mutex<Vec<ServiceState>>,
    /// The number of the last change.
    changed: watch::Sender<u64>,
    is_closed: AtomicBool,
}

impl Store {
    /// Holds nothing. `epoch` is one that no earlier run of this server had.
    pub fn new(about: About, epoch: String) -> Self {
        Self {
            held: Mutex::new(Held::new(about.bounds)),
            about,
            epoch,
            problem: Mutex::default(),
            services: Mutex::default(),
            changed: watch::Sender::new(0),
            is_closed: AtomicBool::new(false),
        }
    }

    /// Takes in a line or the value of a record that lay where `origin` says.
    pub fn take(&self, line: Line<'_>, origin: &dyn Display) {
        // Without the lock: a document takes a while.
        let incoming = read_line(line);
        let mut held = self.held();
        if held.take(incoming, origin) {
            let last = held.last();
            drop(held);
            self.changed.send_replace(last);
        }
    }

    /// Counts what cannot be read at all, and says why.
    pub fn reject(&self, origin: &dyn Display, why: &str) {
        self.held().take(Incoming::Unreadable(why.to_owned()), origin);
    }

    /// Notes what keeps alerts from being read, in words; nothing where all is well.
    pub fn set_problem(&self, problem: Option<&str>) {
        let before = std::mem::replace(
            &mut *self.problem.lock().unwrap_or_else(PoisonError::into_inner),
            problem.map(str::to_owned),
        );
        if before.as_deref() != problem {
            self.changed.send_modify(|_| {});
        }
    }

    /// Takes in why an alert says what it says.
    pub fn explain(&self, explanation: &Value) {
        self.held().take(explained(explanation), &"/status");
    }

    /// Notes how running services are.
    pub fn set_services(&self, services: Vec<ServiceState>) {
        *self.services.lock().unwrap_or_else(PoisonError::into_inner) = services;
    }

    pub(super) fn services(&self) -> Services {
        let services = self
            .services
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        Services { services }
    }

    /// Ends all streams: nothing more is read.
    pub fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        self.changed.send_modify(|_| {});
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }

    /// How many alerts are held.
    pub fn alerts(&self) -> usize {
        self.held().health().held.alerts
    }

    pub(super) fn about(&self) -> &About {
        &self.about
    }

    pub(super) fn epoch(&self) -> &str {
        &self.epoch
    }

    pub(super) fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    pub(super) fn all(&self) -> Alerts {
        let health = self.health();
        let held = self.held();
        Alerts {
            epoch: self.epoch.clone(),
            last: held.last(),
            floor: held.floor(),
            rows: held.rows(),
            health,
        }
    }

    pub(super) fn health(&self) -> Health {
        let problem = self
            .problem
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        Health {
            problem,
            ..self.held().health()
        }
    }
}
