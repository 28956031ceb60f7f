//! A thread that reads until the page ends.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

/// A running thread.
pub(crate) struct Reader {
    /// Dropped, it ends the thread.
    end: Sender<()>,
    thread: JoinHandle<()>,
}

/// Whether the thread is to end, which it asks between two steps.
pub(crate) struct Until(Receiver<()>);

impl Until {
    /// Waits for so long; true if it is to end.
    pub(crate) fn is_over(&self, within: Duration) -> bool {
        self.0.recv_timeout(within) != Err(RecvTimeoutError::Timeout)
    }
}

impl Reader {
    /// Starts a thread that ends soon after [`Until`] says so.
    pub(crate) fn start(run: impl FnOnce(&Until) + Send + 'static) -> Self {
        let (end, ended) = mpsc::channel();
        let thread = std::thread::spawn(move || run(&Until(ended)));
        Self { end, thread }
    }

    /// Ends it.
    pub(crate) fn end(self) {
        drop(self.end);
        // A panic has been printed.
        let _ = self.thread.join();
    }
}
