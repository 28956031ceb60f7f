//! `/api/stream`: changes as they come, as server-sent events. A reader that is slow gets fewer and larger events: nothing is
//! queued for it.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::response::sse::Event;
use futures_util::stream::{self, Stream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::answers::Health;
use super::store::Store;

/// The most rows in one event.
const MOST: usize = 500;

/// How often it is said how reading goes, at least.
const HEALTH_EVERY: Duration = Duration::from_secs(5);

/// Where one reader stands.
struct Reader {
    store: Arc<Store>,
    changes: watch::Receiver<u64>,
    after: u64,
    /// What was said last of how reading goes, and when to say it again.
    said: Option<Health>,
    due: Instant,
    phase: Phase,
}

#[derive(PartialEq)]
enum Phase {
    /// The reader has numbers of another run.
    Restarted,
    Following,
    Ended,
}

/// What has changed since `after`, and from now on.
pub(super) fn follow(
    store: Arc<Store>,
    epoch: &str,
    after: u64,
) -> impl Stream<Item = Result<Event, Infallible>> + use<> {
    let phase = if epoch == store.epoch() {
        Phase::Following
    } else {
        Phase::Restarted
    };
    let reader = Reader {
        changes: store.changes(),
        store,
        after,
        said: None,
        due: Instant::now(),
        phase,
    };
    stream::unfold(reader, |mut reader| async move {
        let event = reader.next().await?;
        Some((Ok(event), reader))
    })
}

impl Reader {
    async fn next(&mut self) -> Option<Event> {
        match self.phase {
            Phase::Ended => return None,
            Phase::Restarted => {
                self.phase = Phase::Ended;
                return Some(Event::default().event("restarted").data("{}"));
            }
            Phase::Following => {}
        }
        loop {
            // Before the look: what comes after it is noticed.
            self.changes.mark_unchanged();
            if self.store.is_closed() {
                return None;
            }
            if let Some(event) = self.rows().or_else(|| self.health()) {
                return Some(event);
            }
            tokio::select! {
                changed = self.changes.changed() => changed.ok()?,
                () = sleep_until(self.due) => {}
            }
        }
    }

    fn rows(&mut self) -> Option<Event> {
        let changes = self.store.held().changes(self.after, MOST)?;
        self.after = changes.last;
        Some(event("rows", &changes))
    }

    /// How reading goes, if that has changed for the worse or the better, or is due.
    fn health(&mut self) -> Option<Event> {
        let health = self.store.health();
        let is_news = self.said.as_ref().is_none_or(|said| *said != health);
        if !is_news && Instant::now() < self.due {
            return None;
        }
        self.due = Instant::now() + HEALTH_EVERY;
        let event = event("health", &health);
        self.said = Some(health);
        Some(event)
    }
}

fn event(name: &str, data: &impl serde::Serialize) -> Event {
    let event = Event::default().event(name);
    match event.json_data(data) {
        Ok(event) => event,
        // Only a map with keys that are no text could not be written.
        Err(_) => Event::default().comment("not written"),
    }
}
