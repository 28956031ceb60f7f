//! Windows event logs as files: each record as the JSON that a [`Decoder`](super::Decoder) reads.

use std::io::{Read, Seek};

use evtx::{EvtxParser, ParserSettings};

/// One record: its content or, where it cannot be read, the reason.
pub type Record<'a> = Result<&'a [u8], &'a str>;

/// The size of a chunk, by the format of the file.
const CHUNK: u64 = 64 << 10;

/// Hands out every record of an event log with its record id, or its place from 1 where it cannot be read. A chunk of
/// 64 KiB is held at a time.
///
/// # Errors
/// Why the bytes are no event log, or that the log is cut off: its header names more chunks than there are. What is there
/// has been handed out by then.
pub fn read_evtx(mut from: impl Read + Seek, visit: &mut dyn FnMut(u64, Record<'_>)) -> Result<(), String> {
    let length = from
        .seek(std::io::SeekFrom::End(0))
        .map_err(|error| error.to_string())?;
    from.rewind().map_err(|error| error.to_string())?;
    let settings = ParserSettings::new().num_threads(1).indent(false);
    let mut parser = EvtxParser::from_read_seek(from)
        .map_err(|error| error.to_string())?
        .with_configuration(settings);
    let header = parser.header();
    let (expected, header_size) = (u64::from(header.chunk_count), u64::from(header.header_block_size));
    for (place, record) in (1..).zip(parser.records_json()) {
        match record {
            Ok(record) => visit(record.event_record_id, Ok(record.data.as_bytes())),
            Err(error) => visit(place, Err(&error.to_string())),
        }
    }
    // A log that was copied while it was written to may have more chunks than its header names, but never fewer.
    let found = length.saturating_sub(header_size) / CHUNK;
    if found < expected {
        return Err(format!(
            "it is cut off: its header names {expected} chunks, and {found} are there"
        ));
    }
    Ok(())
}
