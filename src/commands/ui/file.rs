//! Reads alerts of a file that grows.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;

use crate::page::{Store, Tail};

/// How often the file is looked at.
const EVERY: Duration = Duration::from_millis(300);

/// A thread that follows the file.
pub(super) struct Reader {
    /// Dropped, it ends the thread.
    end: Sender<()>,
    thread: JoinHandle<()>,
}

impl Reader {
    /// Reads what is there, then follows.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(super) fn start(path: &Path, store: &Arc<Store>) -> anyhow::Result<Self> {
        let mut tail = Tail::new(path);
        poll(&mut tail, path, store).with_context(|| format!("--file {}", path.display()))?;
        let (end, ended) = mpsc::channel();
        let (path, store) = (path.to_owned(), Arc::clone(store));
        let thread = std::thread::spawn(move || {
            while ended.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                let problem = poll(&mut tail, &path, &store).err();
                let words = problem.map(|problem| format!("{}: {problem}; trying again", path.display()));
                store.set_problem(words.as_deref());
            }
        });
        Ok(Self { end, thread })
    }

    pub(super) fn end(self) {
        drop(self.end);
        // A panic has been printed.
        let _ = self.thread.join();
    }
}

fn poll(tail: &mut Tail, path: &Path, store: &Store) -> std::io::Result<()> {
    tail.poll(&mut |line| {
        let origin = Place {
            path,
            line: line.number,
        };
        match line.text {
            Some(text) => store.take(text, &origin),
            None => store.reject(&origin, "longer than 4 MiB"),
        }
    })
}

struct Place<'a> {
    path: &'a Path,
    line: u64,
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.path.display(), self.line)
    }
}
