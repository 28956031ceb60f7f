//! Documents of a JSON file, one after another: those of an array, or such as stand behind each other over as many lines as
//! they like. Only one is held at a time.
//!
//! This finds where documents begin and end, and leaves it to the decoder to say whether they are JSON: outside of strings
//! brackets nest, inside of them only a quote without a backslash matters.

use std::io::{self, Read};

/// The longest document that is read. A search response with ten thousand hits has about 30 MB; the buffer and what is made
/// of the document stay below the 256 MiB that reading any input may cost.
const LONGEST: usize = 64 << 20;

/// How much is read at once.
const CHUNK: usize = 256 << 10;

/// What stands at one place of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// The text of one value, by the look of it.
    Document(&'a [u8]),
    /// One of more than 64 MiB, skipped.
    TooLong,
    /// It is not clear where the next document begins: the rest of the file is not read.
    Broken(&'static str),
}

/// Reads documents one at a time.
#[derive(Debug)]
pub(super) struct Documents<R> {
    from: R,
    buffer: Vec<u8>,
    /// What has been read and not given out.
    held: std::ops::Range<usize>,
    longest: usize,
    /// The line on which what is held begins, from 1.
    line: u64,
    /// How many elements have been given out, if the file is an array.
    elements: Option<u64>,
    state: State,
}

/// What may come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// An array or the first document.
    Start,
    /// A document or the end.
    Document,
    /// A document, behind a comma.
    Element,
    /// A comma or the end of the array.
    Separator,
    /// Nothing but blanks.
    End,
    /// Nothing is read any more.
    Over,
}

impl<R: Read> Documents<R> {
    pub(super) fn new(from: R) -> Self {
        Self::with_bounds(from, CHUNK, LONGEST)
    }

    fn with_bounds(from: R, chunk: usize, longest: usize) -> Self {
        Self {
            from,
            buffer: vec![0; chunk],
            held: 0..0,
            longest,
            line: 1,
            elements: None,
            state: State::Start,
        }
    }

    /// The next document with its line or, in an array, its place, both from 1; `None` at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<(u64, Piece<'_>)>> {
        let is_array = |documents: &Self| documents.elements.is_some();
        loop {
            if self.state == State::Over {
                return Ok(None);
            }
            let Some(next) = self.peek()? else {
                let is_whole = match self.state {
                    State::Start | State::End | State::Over => true,
                    State::Document | State::Element | State::Separator => !is_array(self),
                };
                return Ok((!is_whole).then(|| self.broken("the array has no end")));
            };
            let expected = match (self.state, next) {
                (State::Start, b'[') => {
                    self.elements = Some(0);
                    self.pass(State::Document);
                    continue;
                }
                (State::Start, _) => {
                    self.state = State::Document;
                    continue;
                }
                (State::Separator, b',') => {
                    self.pass(State::Element);
                    continue;
                }
                (State::Document | State::Separator, b']') if is_array(self) => {
                    self.pass(State::End);
                    continue;
                }
                (State::Document | State::Element, b',' | b']' | b'}' | b':') => "expected a document",
                (State::Document | State::Element, _) => return self.document().map(Some),
                (State::Separator, _) => "expected a comma or the end of the array",
                (State::End, _) => "expected nothing behind the array",
                (State::Over, _) => return Ok(None),
            };
            return Ok(Some(self.broken(expected)));
        }
    }

    /// The next byte that is no blank; `None` at the end of input.
    fn peek(&mut self) -> io::Result<Option<u8>> {
        loop {
            let held = &self.buffer[self.held.clone()];
            let blanks = held.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            self.advance(blanks);
            if let Some(&next) = self.buffer[self.held.clone()].first() {
                return Ok(Some(next));
            }
            if self.read_more()? == 0 {
                return Ok(None);
            }
        }
    }

    /// Passes one byte.
    fn pass(&mut self, next: State) {
        self.held.start += 1;
        self.state = next;
    }

    /// Passes so many bytes, and counts the lines in them.
    fn advance(&mut self, length: usize) {
        let passed = &self.buffer[self.held.start..self.held.start + length];
        self.line += memchr::memchr_iter(b'\n', passed).count() as u64;
        self.held.start += length;
    }

    /// What begins with the next byte, up to its end.
    fn document(&mut self) -> io::Result<(u64, Piece<'_>)> {
        let place = self.begin_document();
        let (mut scan, mut scanned, mut is_too_long) = (Scan::default(), 0, false);
        loop {
            let rest = &self.buffer[self.held.start + scanned..self.held.end];
            match scan.end_of_value(rest) {
                Some(end) => {
                    scanned += end;
                    break;
                }
                None => scanned += rest.len(),
            }
            if scanned > self.longest {
                is_too_long = true;
                self.advance(scanned);
                scanned = 0;
            }
            if self.read_more()? == 0 {
                break;
            }
        }
        let begin = self.held.start;
        self.advance(scanned);
        let piece = if is_too_long || scanned > self.longest {
            Piece::TooLong
        } else {
            Piece::Document(&self.buffer[begin..begin + scanned])
        };
        Ok((place, piece))
    }

    /// Its line or, in an array, its place.
    fn begin_document(&mut self) -> u64 {
        match &mut self.elements {
            Some(elements) => {
                *elements += 1;
                self.state = State::Separator;
                *elements
            }
            None => self.line,
        }
    }

    /// Ends reading.
    fn broken(&mut self, why: &'static str) -> (u64, Piece<'static>) {
        self.state = State::Over;
        (
            self.elements.map_or(self.line, |elements| elements + 1),
            Piece::Broken(why),
        )
    }

    /// Reads behind what is held, which is moved to the front for it; 0 at the end of input.
    fn read_more(&mut self) -> io::Result<usize> {
        self.buffer.copy_within(self.held.clone(), 0);
        self.held = 0..self.held.len();
        if self.held.end == self.buffer.len() {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        loop {
            match self.from.read(&mut self.buffer[self.held.end..]) {
                Ok(read) => {
                    self.held.end += read;
                    return Ok(read);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// How far into a value a scan has come.
#[derive(Debug, Default)]
struct Scan {
    depth: u64,
    is_in_string: bool,
    is_escaped: bool,
    is_in_scalar: bool,
}

impl Scan {
    /// How many of these bytes, which follow those of the last call, belong to the value; `None` if it goes on behind them.
    fn end_of_value(&mut self, bytes: &[u8]) -> Option<usize> {
        for (place, &byte) in bytes.iter().enumerate() {
            if self.is_in_string {
                match byte {
                    _ if self.is_escaped => self.is_escaped = false,
                    b'\\' => self.is_escaped = true,
                    b'"' => self.is_in_string = false,
                    _ => continue,
                }
                if !self.is_in_string && self.depth == 0 {
                    return Some(place + 1);
                }
                continue;
            }
            if self.depth == 0 && self.is_in_scalar {
                if byte.is_ascii_whitespace() || matches!(byte, b',' | b'[' | b']' | b'{' | b'}' | b'"') {
                    return Some(place);
                }
                continue;
            }
            match byte {
                b'"' => self.is_in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return Some(place + 1);
                    }
                }
                _ if self.depth == 0 => self.is_in_scalar = true,
                _ => {}
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    /// Place and text of each document, or what is wrong.
    fn all(text: &[u8], chunk: usize, longest: usize) -> Vec<(u64, String)> {
        let mut documents = Documents::with_bounds(text, chunk, longest);
        let mut all = Vec::new();
        while let Some((place, piece)) = documents.next().unwrap() {
            let text = match piece {
                Piece::Document(text) => String::from_utf8_lossy(text).into_owned(),
                Piece::TooLong => "too long".to_owned(),
                Piece::Broken(why) => why.to_owned(),
            };
            all.push((place, text));
        }
        all
    }

    #[track_caller]
    fn assert_all(text: &str, expected: &[(u64, &str)]) {
        for chunk in [1, 2, 3, 64] {
            let found = all(text.as_bytes(), chunk, 20);
            let found: Vec<(u64, &str)> = found
                .iter()
                .map(|(place, text)| (*place, text.as_str()))
                .collect();
            assert_eq!(found, expected, "{text} in chunks of {chunk}");
        }
    }

    #[test]
    fn documents_behind_each_other_are_found_with_the_line_they_begin_on() {
        assert_all("", &[]);
        assert_all(" \n ", &[]);
        assert_all("{}", &[(1, "{}")]);
        assert_all(
            "{\n\"a\": [1]\n}\n\n{\"b\":2}{}",
            &[(1, "{\n\"a\": [1]\n}"), (5, "{\"b\":2}"), (5, "{}")],
        );
        assert_all(
            r#"{"a":"}\"{\\"}7 "x" null"#,
            &[(1, r#"{"a":"}\"{\\"}"#), (1, "7"), (1, "\"x\""), (1, "null")],
        );
        assert_all("{\"a\":", &[(1, "{\"a\":")]);
    }

    #[test]
    fn elements_of_an_array_are_found_with_their_place() {
        assert_all("[]", &[]);
        assert_all(" [ {} , [1,2],\n3 ] \n", &[(1, "{}"), (2, "[1,2]"), (3, "3")]);
    }

    #[test]
    fn a_file_that_breaks_is_read_up_to_the_break() {
        assert_all(
            "[{} {}]",
            &[(1, "{}"), (2, "expected a comma or the end of the array")],
        );
        assert_all("[{},]", &[(1, "{}"), (2, "expected a document")]);
        assert_all("[{},", &[(1, "{}"), (2, "the array has no end")]);
        assert_all("[{}", &[(1, "{}"), (2, "the array has no end")]);
        assert_all("[", &[(1, "the array has no end")]);
        assert_all("[{}]{}", &[(1, "{}"), (2, "expected nothing behind the array")]);
        assert_all("{},{}", &[(1, "{}"), (1, "expected a document")]);
    }

    #[test]
    fn a_document_beyond_the_bound_is_skipped_and_the_next_is_read() {
        let text = format!("{{\"a\":\"{}\"}}\n{{}}", "\n".repeat(50));
        assert_all(&text, &[(1, "too long"), (52, "{}")]);
        assert_all(
            &format!("[\"{}\",{{}}]", "x".repeat(50)),
            &[(1, "too long"), (2, "{}")],
        );
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i32>().prop_map(Value::from),
            "[a{}\\[\\]\",\\\\\n]{0,6}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map("[a\"{}]{0,3}", inner, 0..3)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_found_is_what_serde_finds(
            values in prop::collection::vec(value(), 0..5), chunk in 1..40usize, is_array: bool, is_pretty: bool
        ) {
            let write = |value: &Value| if is_pretty { format!("{value:#}") } else { value.to_string() };
            let texts: Vec<String> = values.iter().map(write).collect();
            let file = if is_array { format!("[{}]", texts.join(" ,\n")) } else { format!("\n{}", texts.join("\n")) };
            // The first of several that is an array itself would be taken for the whole.
            prop_assume!(is_array || !values.first().is_some_and(Value::is_array));
            let found: Vec<Value> = all(file.as_bytes(), chunk, 10_000)
                .iter()
                .map(|(_, text)| serde_json::from_str(text).unwrap())
                .collect();
            prop_assert_eq!(found, values);
        }
    }
}
