//! Documents as texts with gaps: what never changes is copied, what does is drawn once and copied to each of its places.

use std::ops::Range;

macro_rules! slots {
    ($($variant:ident = $name:literal),+ $(,)?) => {
        /// A gap in a document, written `«name»` in its text.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Slot { $($variant),+ }

        impl Slot {
            const ALL: &[(&'static str, Self)] = &[$(($name, Self::$variant)),+];
        }
    };
}

slots! {
    Time = "time", Created = "created", UtcTime = "utc", Computer = "computer", Reporter = "reporter",
    RecordId = "record", ServicePid = "service_pid", Thread = "thread", Pid = "pid", OtherPid = "other_pid",
    Guid = "guid", OtherGuid = "other_guid", Image = "image", OtherImage = "other_image", User = "user",
    Account = "account", Domain = "domain", Sid = "sid", Logon = "logon", Hashes = "hashes", Module = "module",
    Key = "key", Value = "value", File = "file", CommandLine = "command_line", Trace = "trace",
    Access = "access", Payload = "payload", Script = "script", Sequence = "sequence", SourceIp = "source_ip",
    SourceHost = "source_host", SourcePort = "source_port", DestinationIp = "destination_ip",
    DestinationHost = "destination_host", DestinationPort = "destination_port", Initiated = "initiated",
    Protocol = "protocol", Pipe = "pipe", Share = "share", Target = "target", Outcome = "outcome",
    Keyword = "keyword", LogonType = "logon_type", Direction = "direction", Application = "application",
    Workstation = "workstation",
}

const COUNT: usize = Slot::ALL.len();

/// The values of one document's gaps, each text as JSON escapes it.
#[derive(Debug)]
pub(super) struct Values {
    text: Vec<u8>,
    spans: [Option<(usize, usize)>; COUNT],
}

impl Values {
    pub(super) fn new() -> Self {
        Self {
            text: Vec::with_capacity(32 << 10),
            spans: [None; COUNT],
        }
    }

    /// Forgets the document before.
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.spans = [None; COUNT];
    }

    pub(super) fn has(&self, slot: Slot) -> bool {
        self.spans[slot as usize].is_some()
    }

    /// Sets a gap to what `write` appends.
    pub(super) fn write(&mut self, slot: Slot, write: impl FnOnce(&mut Vec<u8>)) {
        let begin = self.text.len();
        write(&mut self.text);
        self.spans[slot as usize] = Some((begin, self.text.len()));
    }

    /// Sets a gap to a text that needs no escape.
    pub(super) fn set(&mut self, slot: Slot, text: &str) {
        self.write(slot, |out| out.extend_from_slice(text.as_bytes()));
    }

    /// Sets a gap to a number.
    pub(super) fn number(&mut self, slot: Slot, number: u64) {
        self.write(slot, |out| decimal(out, number));
    }

    fn get(&self, slot: Slot) -> &[u8] {
        self.spans[slot as usize].map_or(&[], |(begin, end)| &self.text[begin..end])
    }
}

/// Appends a number.
pub(super) fn decimal(out: &mut Vec<u8>, mut number: u64) {
    let begin = out.len();
    loop {
        let digit = u8::try_from(number % 10).expect("a digit is below ten");
        out.push(b'0' + digit);
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out[begin..].reverse();
}

/// Appends the lowest `digits` hexadecimal digits of a number, at most 16.
pub(super) fn hex(out: &mut Vec<u8>, number: u64, digits: u32) {
    // All sixteen at once, without a check of the room for each.
    let mut text = [0; 16];
    for (pair, byte) in text.chunks_exact_mut(2).zip(number.to_be_bytes()) {
        pair.copy_from_slice(&HEX_PAIRS[usize::from(byte)]);
    }
    let digits = usize::try_from(digits).expect("at most sixteen");
    out.extend_from_slice(&text[text.len().saturating_sub(digits)..]);
}

/// Every byte in hexadecimal.
static HEX_PAIRS: [[u8; 2]; 256] = {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut pairs = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        pairs[byte] = [DIGITS[byte >> 4], DIGITS[byte & 0xf]];
        byte += 1;
    }
    pairs
};

/// One kind of document.
#[derive(Debug)]
pub(super) struct Template {
    text: Vec<u8>,
    /// A piece of the text, then a gap.
    parts: Vec<(Range<usize>, Slot)>,
    tail: Range<usize>,
    /// Every gap once, in order of first use.
    gaps: Vec<Slot>,
}

impl Template {
    /// From a text with gaps. The texts are constants of this module: a gap that has no name is a mistake in one.
    pub(super) fn new(source: &str) -> Self {
        let mut template = Self {
            text: Vec::with_capacity(source.len()),
            parts: Vec::new(),
            tail: 0..0,
            gaps: Vec::new(),
        };
        let mut rest = source;
        while let Some((before, after)) = rest.split_once('«') {
            let (name, after) = after.split_once('»').expect("every gap is closed");
            let slot = Slot::ALL.iter().find(|(known, _)| *known == name);
            let slot = slot.expect("every gap has a known name").1;
            let begin = template.text.len();
            template.text.extend_from_slice(before.as_bytes());
            template.parts.push((begin..template.text.len(), slot));
            if !template.gaps.contains(&slot) {
                template.gaps.push(slot);
            }
            rest = after;
        }
        let begin = template.text.len();
        template.text.extend_from_slice(rest.as_bytes());
        template.tail = begin..template.text.len();
        template
    }

    /// The gaps, each once.
    pub(super) fn gaps(&self) -> &[Slot] {
        &self.gaps
    }

    /// Appends the document.
    pub(super) fn render(&self, values: &Values, out: &mut Vec<u8>) {
        for (text, slot) in &self.parts {
            out.extend_from_slice(&self.text[text.clone()]);
            out.extend_from_slice(values.get(*slot));
        }
        out.extend_from_slice(&self.text[self.tail.clone()]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_has_one_value_in_all_its_places() {
        let template = Template::new(r#"{"a":«pid»,"b":"«image»","c":"pid «pid»"}"#);
        assert_eq!(template.gaps(), [Slot::Pid, Slot::Image]);
        let mut values = Values::new();
        values.number(Slot::Pid, 1_204);
        values.set(Slot::Image, "System");
        let mut out = Vec::new();
        template.render(&values, &mut out);
        assert_eq!(out, br#"{"a":1204,"b":"System","c":"pid 1204"}"#);
    }

    #[test]
    fn numbers_are_written_as_the_library_writes_them() {
        for number in [0, 7, 10, 49_839, u64::MAX] {
            let mut out = Vec::new();
            decimal(&mut out, number);
            assert_eq!(out, number.to_string().as_bytes());
        }
        let mut out = Vec::new();
        hex(&mut out, 0x6cb8_96c6, 10);
        assert_eq!(out, b"006cb896c6");
    }
}
