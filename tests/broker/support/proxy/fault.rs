//! What a network, and nothing else, does to requests.

use std::io::{self, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::Shared;

/// A fault of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Nothing passes on the connection for so long, then everything in order.
    Hold(Duration),
    /// So many of the next requests of the connection take so much longer.
    Delay(u32, Duration),
    /// The connection is cut; the request is lost.
    Cut,
    /// The request arrives, and the connection is cut before its answer.
    LoseAnswer,
    /// The connection is cut, and the request arrives so much later: beside the one that the client has repeated.
    Duplicate(Duration),
}

impl Fault {
    pub const KINDS: [&str; 5] = ["held", "delayed", "cut", "answer lost", "duplicated"];

    pub fn kind(self) -> &'static str {
        let [held, delayed, cut, lost, duplicated] = Self::KINDS;
        match self {
            Self::Hold(_) => held,
            Self::Delay(..) => delayed,
            Self::Cut => cut,
            Self::LoseAnswer => lost,
            Self::Duplicate(_) => duplicated,
        }
    }
}

/// Does what a network may do. False where the connection is cut.
pub(super) fn happen(
    fault: Fault,
    request: Vec<u8>,
    (client, mut broker): (&TcpStream, &TcpStream),
    shared: &Arc<Shared>,
    slow: &mut (u32, Duration),
) -> io::Result<bool> {
    match fault {
        Fault::Hold(span) => thread::sleep(span),
        Fault::Delay(requests, by) => *slow = (requests, by),
        Fault::Cut => return Ok(false),
        Fault::LoseAnswer => {
            client.shutdown(Shutdown::Both)?;
            broker.write_all(&request)?;
            // The broker reads what has come before it notices the end.
            thread::sleep(Duration::from_millis(100));
            return Ok(false);
        }
        Fault::Duplicate(after) => {
            let shared = Arc::clone(shared);
            thread::spawn(move || {
                thread::sleep(after);
                // A broker that is away takes nothing.
                drop(shared.send_alone(&request));
            });
            return Ok(false);
        }
    }
    broker.write_all(&request)?;
    Ok(true)
}

/// `TxnOffsetCommit` of a version with compact strings: after the head come the transactional id, the group, the producer's id
/// and epoch, and then the generation.
pub(super) fn with_another_generation(mut request: Vec<u8>) -> Vec<u8> {
    const HEAD: usize = 4 + 2 + 2 + 4;
    let client_id = usize::from(u16::from_be_bytes([request[HEAD], request[HEAD + 1]]));
    // No tagged fields, in one byte.
    let mut at = HEAD + 2 + client_id + 1;
    for _ in 0..2 {
        // The length and one, in one byte for a name that is no longer than that.
        at += usize::from(request[at]);
    }
    at += 8 + 2;
    request[at..at + 4].copy_from_slice(&i32::MAX.to_be_bytes());
    request
}
