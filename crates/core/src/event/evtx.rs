//! Windows event logs as files: each record as the JSON that a [`Decoder`](super::Decoder) reads.

use evtx::{EvtxParser, ParserSettings};

/// One record: its content or, where it cannot be read, the reason.
pub type Record<'a> = Result<&'a [u8], &'a str>;

/// Hands out every record of an event log with its record id, or its place from 1 where it cannot be read. A log is read
/// in chunks from anywhere, so it is held in memory whole.
///
/// # Errors
/// Why the bytes are no event log.
pub fn read_evtx(bytes: Vec<u8>, visit: &mut dyn FnMut(u64, Record<'_>)) -> Result<(), String> {
    let settings = ParserSettings::new().num_threads(1).indent(false);
    let mut parser = EvtxParser::from_buffer(bytes)
        .map_err(|error| error.to_string())?
        .with_configuration(settings);
    for (place, record) in (1..).zip(parser.records_json()) {
        match record {
            Ok(record) => visit(record.event_record_id, Ok(record.data.as_bytes())),
            Err(error) => visit(place, Err(&error.to_string())),
        }
    }
    Ok(())
}
