//! The byte budget of a document, whatever the texts in it are.
//!
//! Texts of an event are short, but a control character takes six bytes in JSON and an alert may list thousands of texts. So a
//! document is measured as it is encoded. One that is too large is cut until it fits: longest texts and longest lists
//! first, by the same steps for every document, so that equal documents are cut alike. What is left out is counted in
//! `pipewarden.omitted`.

use std::io;

use serde::Serialize;
use serde_json::{Map, Value};

/// The budget where nothing else is set.
pub const DEFAULT_MAX_BYTES: usize = 256 << 10;

/// The least budget that [`encode`] keeps to.
pub const LEAST_MAX_BYTES: usize = 16 << 10;

/// The most that a [`stub`] takes.
pub const STUB_MAX_BYTES: usize = 8 << 10;

/// What a text ends in that was cut.
const CUT: &str = "…";

/// How long a text may be, as encoded and without its quotes, and how many entries a list may have.
#[derive(Clone, Copy)]
struct Caps {
    text: usize,
    list: usize,
}

impl Caps {
    /// Ids, addresses and times are shorter than this, so they are never cut.
    const LEAST: Self = Self { text: 64, list: 2 };

    /// From caps that no document of moderate size reaches down to the least. Where both are at what the defaults allow, a text
    /// says as much in half its length, and an entry says nothing where it is missing.
    fn steps() -> impl Iterator<Item = Self> {
        const STEPS: [(usize, usize); 13] = [
            (8_192, 1_024),
            (4_096, 512),
            (2_048, 256),
            (1_024, 128),
            (512, 64),
            (256, 64),
            (256, 32),
            (128, 32),
            (128, 16),
            (64, 16),
            (64, 8),
            (64, 4),
            (64, 2),
        ];
        STEPS.into_iter().map(|(text, list)| Self { text, list })
    }
}

/// The document as JSON, in at most `max_bytes`, which is not less than [`LEAST_MAX_BYTES`].
///
/// # Panics
/// Where the document is no JSON, which structs of strings and numbers always are.
pub fn encode(document: &impl Serialize, max_bytes: usize) -> Vec<u8> {
    let mut whole = Bounded::new(max_bytes);
    serde_json::to_writer(&mut whole, document).expect(IS_JSON);
    if whole.written <= max_bytes {
        return whole.kept;
    }
    let mut value = serde_json::to_value(document).expect(IS_JSON);
    let mut left_out = LeftOut::default();
    for caps in Caps::steps() {
        cut(&mut value, Place::Root, caps, &mut left_out);
        // The number of bytes that are left out is known only afterwards, and its digits count, too.
        left_out.write(&mut value, whole.written);
        let rest = encoded_len(&value);
        left_out.write(&mut value, whole.written.saturating_sub(rest));
        if encoded_len(&value) <= max_bytes {
            break;
        }
    }
    serde_json::to_vec(&value).expect(IS_JSON)
}

/// A short revision in place of an encoded document that a broker rejects: the same alert and revision, who and where as far as
/// a line tells it, and `rejected`, a word for the reason. In at most [`STUB_MAX_BYTES`]. `None` where that is no document.
pub fn stub(document: &[u8], rejected: &str) -> Option<Vec<u8>> {
    let mut value: Value = serde_json::from_slice(document).ok().filter(Value::is_object)?;
    let mut left_out = LeftOut {
        rejected: Some(rejected.to_owned()),
        ..LeftOut::default()
    };
    for (list, kept) in [
        ("/pipewarden/evidence", 0),
        ("/pipewarden/candidates", 0),
        ("/unmapped/pipewarden/candidates", 0),
        // The first describes the access as a whole.
        ("/evidences", 1),
    ] {
        if let Some(Value::Array(items)) = value.pointer_mut(list) {
            left_out.count(place_of(list), items.len().saturating_sub(kept));
            items.truncate(kept);
        }
    }
    if let Some(Value::String(message)) = value.get_mut("message") {
        *message = format!("In short, since the broker rejects the whole: {message}");
        shorten(message, 4 * Caps::LEAST.text);
    }
    let message = value.get("message").cloned();
    cut(&mut value, Place::Root, Caps::LEAST, &mut left_out);
    if let Some(message) = message {
        value["message"] = message;
    }
    left_out.write(&mut value, document.len());
    let rest = encoded_len(&value);
    left_out.write(&mut value, document.len().saturating_sub(rest));
    Some(serde_json::to_vec(&value).expect(IS_JSON))
}

const IS_JSON: &str = "strings and numbers are JSON";

/// Keeps what is written up to a bound, and counts all of it.
struct Bounded {
    kept: Vec<u8>,
    written: usize,
    bound: usize,
}

impl Bounded {
    fn new(bound: usize) -> Self {
        Self {
            kept: Vec::new(),
            written: 0,
            bound,
        }
    }
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.written += bytes.len();
        if self.written <= self.bound {
            self.kept.extend_from_slice(bytes);
        } else {
            self.kept = Vec::new();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn encoded_len(value: &impl Serialize) -> usize {
    let mut counted = Bounded::new(0);
    serde_json::to_writer(&mut counted, value).expect(IS_JSON);
    counted.written
}

/// Where in a document something is: only what stands once in both formats is counted, and not what repeats it for a SIEM.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Root,
    /// Of no interest: a repetition.
    Elsewhere,
    Evidence,
    Candidates,
    /// Below `pipewarden`.
    Own,
}

impl Place {
    fn of(self, key: &str) -> Self {
        match (self, key) {
            (Self::Root, "pipewarden" | "unmapped") => Self::Own,
            (Self::Root, "evidences") | (Self::Own, "evidence") => Self::Evidence,
            (Self::Own, "candidates") => Self::Candidates,
            (Self::Root, _) => Self::Elsewhere,
            (same, _) => same,
        }
    }

    /// Of what is in an entry of a list.
    fn inside(self) -> Self {
        match self {
            // What is in an entry of the evidence repeats the entry.
            Self::Evidence => Self::Elsewhere,
            Self::Candidates => Self::Own,
            same => same,
        }
    }
}

fn place_of(pointer: &str) -> Place {
    let keys = pointer.split('/').skip(1);
    keys.fold(Place::Root, Place::of)
}

/// What is left out of a document.
#[derive(Default)]
struct LeftOut {
    evidence: usize,
    candidates: usize,
    others: usize,
    rejected: Option<String>,
    /// What the bounds of lists had left out before, once it is known.
    before: Option<[u64; 3]>,
}

impl LeftOut {
    const KEYS: [&str; 3] = ["evidence", "candidates", "others"];

    fn count(&mut self, place: Place, number: usize) {
        match place {
            Place::Evidence => self.evidence += number,
            Place::Candidates => self.candidates += number,
            Place::Own => self.others += number,
            Place::Root | Place::Elsewhere => {}
        }
    }

    /// Writes `omitted`, and in OCSF that the document is not whole.
    fn write(&mut self, document: &mut Value, bytes: usize) {
        if let Some(Value::Object(metadata)) = document.get_mut("metadata") {
            metadata.insert("is_truncated".to_owned(), true.into());
        }
        let own = match document.get("unmapped") {
            Some(_) => document.pointer_mut("/unmapped/pipewarden"),
            None => document.get_mut("pipewarden"),
        };
        let Some(Value::Object(own)) = own else { return };
        let omitted = own.entry("omitted").or_insert_with(|| Value::Object(Map::new()));
        let before = *self.before.get_or_insert_with(|| {
            Self::KEYS.map(|key| omitted.get(key).and_then(Value::as_u64).unwrap_or_default())
        });
        let now = [self.evidence, self.candidates, self.others];
        for ((key, before), now) in Self::KEYS.into_iter().zip(before).zip(now) {
            let now = u64::try_from(now).unwrap_or(u64::MAX);
            omitted[key] = before.saturating_add(now).into();
        }
        omitted["bytes"] = bytes.into();
        if let Some(rejected) = &self.rejected {
            omitted["rejected"] = rejected.as_str().into();
        }
    }
}

/// Cuts every text and every list below a value.
fn cut(value: &mut Value, place: Place, caps: Caps, left_out: &mut LeftOut) {
    match value {
        Value::Object(fields) => {
            for (key, field) in fields {
                cut(field, place.of(key), caps, left_out);
            }
        }
        Value::Array(items) => {
            if items.len() > caps.list {
                left_out.count(place, items.len() - caps.list);
                keep(items, caps.list);
            }
            for item in items {
                cut(item, place.inside(), caps, left_out);
            }
        }
        Value::String(text) => shorten(text, caps.text),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Keeps so many entries, the first of each kind in turn, in their order: the connections of an alert must not crowd out its
/// accesses.
fn keep(items: &mut Vec<Value>, number: usize) {
    let mut kinds: Vec<&str> = Vec::new();
    let mut of_kind: Vec<usize> = Vec::new();
    let mut ranked = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let kind = item.get("kind").or_else(|| item.get("name"));
        let kind = kind.and_then(Value::as_str).unwrap_or_default();
        let known = kinds.iter().position(|known| *known == kind);
        let which = known.unwrap_or_else(|| {
            kinds.push(kind);
            of_kind.push(0);
            kinds.len() - 1
        });
        ranked.push((of_kind[which], index));
        of_kind[which] += 1;
    }
    ranked.sort_unstable();
    let mut is_kept = vec![false; items.len()];
    for (_, index) in ranked.into_iter().take(number) {
        is_kept[index] = true;
    }
    let mut is_kept = is_kept.into_iter();
    items.retain(|_| is_kept.next().unwrap_or(false));
}

/// Cuts a text that takes more than this many bytes as encoded.
fn shorten(text: &mut String, most: usize) {
    if encoded_text(text) <= most {
        return;
    }
    let (mut taken, mut end) = (CUT.len(), 0);
    for letter in text.trim_end_matches(CUT).chars() {
        taken += encoded_letter(letter);
        if taken > most {
            break;
        }
        end += letter.len_utf8();
    }
    text.truncate(end);
    text.push_str(CUT);
}

fn encoded_text(text: &str) -> usize {
    text.chars().map(encoded_letter).sum()
}

/// How many bytes `serde_json` writes for a character in a string.
fn encoded_letter(letter: char) -> usize {
    match letter {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        '\0'..='\u{1f}' => 6,
        _ => letter.len_utf8(),
    }
}

#[cfg(test)]
mod tests;
