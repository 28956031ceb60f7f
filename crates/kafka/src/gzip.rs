//! Gzip batches that are not read: what `gunzip.c` rejects, and how that reaches a worker.
//!
//! librdkafka inflates a batch on a thread of its own, before a worker sees any of it. `gunzip.c` is what it calls. A
//! batch that is damaged, or larger than `kafka.max_inflated_batch_bytes`, reaches the worker as a single message at the
//! batch's first offset, the *marker*; the next message is the one behind the batch's last. Nobody outside can forge a
//! marker, since it begins with a nonce of this process.
//!
//! Without the feature `libdeflate` librdkafka inflates by itself: nothing is bounded and there are no markers.

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::OnceLock;

use pipewarden_engine::{DeadLetter, DeadLetterReason, Origin};

use super::observer::{Observer, WorkerFact};

/// The layout of the marker, which `gunzip.c` writes.
const NONCE: usize = 32;
const MESSAGE: usize = NONCE + 4 + 4;
/// In message format 2 the header of a message of format 1 stands before it.
const VALUE: usize = 26 + MESSAGE;

/// Why a batch is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchLossReason {
    /// It inflates to more than the ceiling.
    TooLarge,
    /// It is no gzip, cut off, or its checksum is wrong.
    Damaged,
}

impl BatchLossReason {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::TooLarge, Self::Damaged];

    /// The word used in metrics, which is that of the dead letter.
    pub const fn as_str(self) -> &'static str {
        self.dead_letter().as_str()
    }

    const fn dead_letter(self) -> DeadLetterReason {
        match self {
            Self::TooLarge => DeadLetterReason::BatchTooLarge,
            Self::Damaged => DeadLetterReason::BatchDamaged,
        }
    }
}

/// A batch that was not read, all records of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LostBatch {
    reason: BatchLossReason,
    /// How many bytes it has on the broker.
    compressed: u32,
}

impl LostBatch {
    /// Reports the loss at its offset.
    pub(super) fn report(&self, origin: Origin<'_>, worker: &str, is_state: bool, observer: &dyn Observer) {
        let fact = WorkerFact::BatchLost {
            origin,
            reason: self.reason,
            message: &self.to_string(),
            is_state,
        };
        observer.worker(worker, fact);
    }

    /// What the dead-letter topic gets in place of the records.
    pub(super) fn dead_letter(&self, origin: Origin<'_>) -> DeadLetter {
        DeadLetter {
            truncated: true,
            ..DeadLetter::of(self.reason.dead_letter(), self.to_string(), origin, &[])
        }
    }
}

impl fmt::Display for LostBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.compressed;
        write!(
            f,
            "the gzip batch of {bytes} bytes that begins at this offset is skipped, all records of it are lost: "
        )?;
        f.write_str(match self.reason {
            BatchLossReason::TooLarge => "it inflates to more than kafka.max_inflated_batch_bytes",
            BatchLossReason::Damaged => "it is damaged",
        })
    }
}

/// Recognises the marker of a batch that was not read. One comparison for nearly all messages.
#[inline]
pub(super) fn lost_batch(payload: &[u8]) -> Option<LostBatch> {
    if payload.len() == VALUE || payload.len() == MESSAGE {
        read_marker(payload)
    } else {
        None
    }
}

/// An observation's payload; nothing, which is no observation and becomes a dead letter, for a batch of them that was not
/// read. Its observations are missing in the state, so that it counts as a loss of state as well.
pub(super) fn readable<'a>(
    payload: &'a [u8],
    origin: Origin<'_>,
    worker: &str,
    observer: &dyn Observer,
) -> &'a [u8] {
    let Some(lost) = lost_batch(payload) else {
        return payload;
    };
    lost.report(origin, worker, true, observer);
    &[]
}

fn read_marker(payload: &[u8]) -> Option<LostBatch> {
    let message = payload.last_chunk::<MESSAGE>()?;
    let (found, rest) = message.split_first_chunk::<NONCE>()?;
    let (reason, rest) = rest.split_first_chunk::<4>()?;
    if found != nonce() {
        return None;
    }
    Some(LostBatch {
        reason: reason_of(u32::from_be_bytes(*reason))?,
        compressed: rest.first_chunk().copied().map_or(0, u32::from_be_bytes),
    })
}

/// By the number that it has in `gunzip.c`.
fn reason_of(outcome: u32) -> Option<BatchLossReason> {
    match outcome {
        1 => Some(BatchLossReason::TooLarge),
        2 => Some(BatchLossReason::Damaged),
        _ => None,
    }
}

/// Random, the same for the life of the process. [`RandomState`] is a keyed hash whose key is from the operating system.
fn nonce() -> &'static [u8; NONCE] {
    static NONCE_OF_PROCESS: OnceLock<[u8; NONCE]> = OnceLock::new();
    NONCE_OF_PROCESS.get_or_init(|| {
        let mut nonce = [0; NONCE];
        for (index, part) in nonce.chunks_exact_mut(8).enumerate() {
            part.copy_from_slice(&RandomState::new().hash_one(index).to_ne_bytes());
        }
        nonce
    })
}

#[cfg(feature = "libdeflate")]
pub use bounded::inflate;
pub(super) use bounded::set_up;

/// The calls into `gunzip.c`.
#[cfg(feature = "libdeflate")]
#[allow(
    unsafe_code,
    reason = "librdkafka can only be given a function of C; each call states why it is sound"
)]
mod bounded {
    use std::ffi::{c_int, c_void};
    use std::sync::Once;

    // For `gunzip.c`.
    use libdeflate_sys as _;

    use super::{BatchLossReason, nonce, reason_of};

    unsafe extern "C" {
        fn pipewarden_gunzip_set_up(ceiling: usize, nonce: *const u8);
        fn pipewarden_gunzip(
            input: *const u8,
            length: usize,
            ceiling: usize,
            out: *mut *mut u8,
            size: *mut usize,
        ) -> c_int;
        fn free(memory: *mut c_void);
    }

    /// Lets no batch of gzip inflate to more than so many bytes, in this process, and has those that would marked. To be
    /// called before a consumer is made; the first call counts.
    pub(crate) fn set_up(ceiling: u64) {
        static SET_UP: Once = Once::new();
        let ceiling = usize::try_from(ceiling).unwrap_or(usize::MAX);
        // SAFETY: the nonce has the 32 bytes that are copied. Every consumer is made after this, by whatever thread, so
        // that no thread of librdkafka reads what is written here.
        SET_UP.call_once(|| unsafe { pipewarden_gunzip_set_up(ceiling, nonce().as_ptr()) });
    }

    /// What becomes of a batch: its content, if it is no larger than `ceiling`. It is what librdkafka calls, less the
    /// marker; nobody else needs it but its tests.
    ///
    /// # Errors
    /// Why it would not be read.
    ///
    /// # Panics
    /// Where there is no memory.
    pub fn inflate(batch: &[u8], ceiling: usize) -> Result<Vec<u8>, BatchLossReason> {
        let (mut out, mut size) = (std::ptr::null_mut(), 0);
        // SAFETY: `batch` is readable for its length and the other two are writable; none is kept.
        let outcome =
            unsafe { pipewarden_gunzip(batch.as_ptr(), batch.len(), ceiling, &raw mut out, &raw mut size) };
        if let Some(reason) = reason_of(outcome.cast_unsigned()) {
            return Err(reason);
        }
        assert!(!out.is_null(), "there is no memory for {ceiling} bytes");
        // SAFETY: the outcome is that of success, so `out` is from malloc and holds `size` bytes, all written; it is ours,
        // copied before it is freed, and freed once.
        unsafe {
            let content = std::slice::from_raw_parts(out, size).to_vec();
            free(out.cast());
            Ok(content)
        }
    }
}

#[cfg(not(feature = "libdeflate"))]
mod bounded {
    /// There is nothing to set up.
    pub(crate) fn set_up(_ceiling: u64) {}
}

#[cfg(test)]
#[cfg(feature = "libdeflate")]
mod tests;
