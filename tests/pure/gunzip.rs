//! The function that inflates gzip in place of librdkafka's own, against a plain reference.

#![cfg(feature = "libdeflate")]

use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::{GzEncoder, ZlibEncoder};
use pipewarden_kafka::gzip::{BatchLossReason, inflate};
use proptest::prelude::*;

/// What every member but the last must be followed by.
const BEGIN: [u8; 3] = [0x1f, 0x8b, 8];

/// More than anything here inflates to.
const ROOMY: usize = 16 << 20;

/// All members, one after the other; what follows and does not begin like one is ignored. `None` if one is damaged.
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

fn gzip(content: &[u8], level: u32) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(level));
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// Noise that does not shrink, text that does, zeros that shrink as far as anything can, and nothing.
fn content() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(Vec::new()),
        prop::collection::vec(any::<u8>(), 0..3_000),
        (1..30_000usize).prop_map(|size| br#"{"event_id":"3"}"#.iter().copied().cycle().take(size).collect()),
        (1..200_000usize).prop_map(|size| vec![0; size]),
    ]
}

/// Members and what they hold together.
fn members() -> impl Strategy<Value = (Vec<Vec<u8>>, Vec<u8>)> {
    prop::collection::vec((content(), 0..=9u32), 1..5).prop_map(|members| {
        let content = members.iter().flat_map(|(content, _)| content.clone()).collect();
        let members = members.iter().map(|(content, level)| gzip(content, *level));
        (members.collect(), content)
    })
}

proptest! {
    #[test]
    fn all_members_are_read_if_they_fit_below_the_ceiling(
        (members, content) in members(),
        tail in prop::collection::vec(any::<u8>(), 0..40),
        around in -2..3isize,
    ) {
        prop_assume!(!tail.starts_with(&BEGIN));
        let batch = [members.concat(), tail].concat();
        prop_assert!(reference(&batch).as_ref() == Some(&content));
        for ceiling in [content.len().saturating_add_signed(around), content.len() / 2, ROOMY] {
            let expected = if content.len() <= ceiling { Ok(content.clone()) } else { Err(BatchLossReason::TooLarge) };
            prop_assert!(inflate(&batch, ceiling) == expected, "ceiling {}, {} bytes", ceiling, content.len());
        }
    }

    #[test]
    fn a_cut_or_changed_batch_is_what_the_reference_gives(
        (members, content) in members(),
        cut in any::<prop::sample::Index>(),
        is_cut in any::<bool>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let mut batch = members.concat();
        if is_cut {
            batch.truncate(cut.index(batch.len()));
        }
        if !batch.is_empty() {
            for (place, byte) in changes {
                let place = place.index(batch.len());
                batch[place] = byte;
            }
        }
        // The checksum of a header, which no producer writes, is looked at by the reference alone; zlib has its own test.
        let has_header_checksum = batch.windows(4).any(|start| start.starts_with(&BEGIN) && start[3] & 2 != 0);
        prop_assume!(batch.starts_with(&BEGIN) && !has_header_checksum);
        let expected = reference(&batch);
        let found = inflate(&batch, ROOMY);
        // An incomplete code that one library rejects and the other reads is no damage where the checksum holds.
        let is_whole = expected.is_none() && found.as_ref() == Ok(&content);
        prop_assert!(is_whole || found == expected.ok_or(BatchLossReason::Damaged));
        // Where there is too little room, damage behind it is not seen.
        let room = found.map_or(100, |content| content.len() / 2);
        prop_assert!(room == 0 || inflate(&batch, room).is_err());
    }

    #[test]
    fn no_bytes_whatever_do_harm(batch in prop::collection::vec(any::<u8>(), 0..300), ceiling in 0..2_000usize) {
        prop_assert!(inflate(&batch, ceiling).map_or(true, |content| content.len() <= ceiling));
    }
}

#[test]
fn zlib_is_read_as_librdkafka_reads_it() {
    let content = br#"{"event_id":"3"}"#.repeat(100);
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&content).unwrap();
    let mut batch = encoder.finish().unwrap();
    assert_eq!(inflate(&batch, content.len()), Ok(content.clone()));
    assert_eq!(inflate(&batch, content.len() - 1), Err(BatchLossReason::TooLarge));
    batch.truncate(batch.len() - 1);
    assert_eq!(inflate(&batch, content.len()), Err(BatchLossReason::Damaged));
}

#[test]
fn a_size_that_lies_is_not_trusted() {
    let content = vec![0; 100_000];
    let honest = gzip(&content, 9);
    for stated in [0_u32, 1, 99_999, 100_001, 150_000, u32::MAX] {
        let mut batch = honest.clone();
        let end = batch.len() - 4;
        batch[end..].copy_from_slice(&stated.to_le_bytes());
        assert_eq!(inflate(&batch, ROOMY), Err(BatchLossReason::Damaged), "{stated}");
        // As the last bytes of what is ignored, it is a first guess and no more.
        let batch = [&honest[..], &stated.to_le_bytes()].concat();
        assert_eq!(inflate(&batch, ROOMY).as_ref(), Ok(&content), "{stated}");
    }
}
