//! Any bytes as a gzip batch: what it inflates to is what a plain reader of all its members says, or nothing where that is
//! more than the ceiling.

#![no_main]

use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;
use libfuzzer_sys::fuzz_target;
use pipewarden_kafka::gzip::{BatchLossReason, inflate};

const BEGIN: [u8; 3] = [0x1f, 0x8b, 8];

/// All members, one after the other; what follows and does not begin like one is ignored. `None` if one is damaged.
/// `MultiGzDecoder` would take what follows for a damaged member.
fn reference(batch: &[u8]) -> Option<Vec<u8>> {
    let (mut content, mut rest) = (Vec::new(), batch);
    loop {
        let mut member = GzDecoder::new(rest);
        member.read_to_end(&mut content).ok()?;
        rest = member.into_inner();
        if !rest.starts_with(&BEGIN) {
            return Some(content);
        }
    }
}

fn check(batch: &[u8], ceiling: usize) {
    let found = inflate(batch, ceiling);
    if let Ok(content) = &found {
        assert!(content.len() <= ceiling);
    }
    // zlib is read too, and the checksum of a header is not looked at: the reference does neither.
    let has_header_checksum = batch
        .windows(4)
        .any(|start| start.starts_with(&BEGIN) && start[3] & 2 != 0);
    if !batch.starts_with(&BEGIN) || has_header_checksum {
        return;
    }
    match reference(batch) {
        Some(content) if content.len() <= ceiling => assert_eq!(found, Ok(content)),
        Some(_) => assert_eq!(found, Err(BatchLossReason::TooLarge)),
        None => assert!(found.is_err()),
    }
}

fuzz_target!(|input: &[u8]| {
    let [low, high, members, change, input @ ..] = input else {
        return;
    };
    let ceiling = usize::from(u16::from_le_bytes([*low, *high]));
    check(input, ceiling);
    // The input as the content of some members, whole and with a byte changed.
    let part = input.len() / (usize::from(members % 4) + 1) + 1;
    let mut batch = Vec::new();
    for content in input.chunks(part) {
        let mut encoder = GzEncoder::new(&mut batch, Compression::fast());
        encoder.write_all(content).expect("memory takes everything");
        encoder.finish().expect("memory takes everything");
    }
    check(&batch, ceiling);
    check(&batch, input.len());
    if !batch.is_empty() {
        let place = usize::from(*change) * batch.len() / 256;
        batch[place] ^= 1 << (members % 8);
        check(&batch, ceiling);
        check(&batch[..place], ceiling);
    }
});
