//! Rows of an export: CSV or JSON, in the encodings that PowerShell writes.

use csv::{ReaderBuilder, StringRecord};
use encoding_rs::{UTF_8, UTF_16BE, UTF_16LE};
use serde_json::Value;
use serde_json::value::RawValue;
use thiserror::Error;

use super::export::{COLUMNS, is_known};

/// One row: the columns that can matter, under their names in lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Row {
    /// Where it begins, from 1.
    pub(super) line: u64,
    fields: Vec<(&'static str, Vec<String>)>,
}

/// What a file holds.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) rows: Vec<Row>,
    /// Lines that are no row, and why.
    pub(super) unreadable: Vec<(u64, String)>,
}

/// Why a file cannot be read at all.
#[derive(Debug, Error)]
pub enum RowsError {
    /// It holds nothing.
    #[error("it is empty")]
    Empty,
    /// It begins like JSON and is none.
    #[error("it is not JSON")]
    Json(#[from] serde_json::Error),
    /// It is CSV with columns that mean nothing here.
    #[error(
        "its columns are {columns:?}; expected NetworkOSPath and RoleName (Get-CMSiteRole), ServerName, SiteCode and \
         Type (Get-CMSite), or DNSHostName (Get-ADComputer)"
    )]
    Columns {
        /// The names in its first line, as far as they can be read at a glance.
        columns: String,
    },
    /// It is not CSV.
    #[error("it is not CSV")]
    Csv(#[from] csv::Error),
}

impl Row {
    fn set(&mut self, column: &str, values: Vec<String>) {
        let values: Vec<String> = values
            .into_iter()
            .map(|value| value.trim().to_owned())
            .filter(|value| !value.is_empty())
            .collect();
        if let Some(known) = COLUMNS.iter().find(|known| known.eq_ignore_ascii_case(column)) {
            self.fields.push((known, values));
        }
    }

    /// Whether the row has this column, empty or not.
    pub(super) fn has(&self, column: &str) -> bool {
        self.fields.iter().any(|(name, _)| *name == column)
    }

    /// Every value of a column.
    pub(super) fn all(&self, column: &str) -> &[String] {
        self.fields
            .iter()
            .find(|(name, _)| *name == column)
            .map_or(&[], |(_, values)| values)
    }

    /// The first value of a column.
    pub(super) fn first(&self, column: &str) -> Option<&str> {
        self.all(column).first().map(String::as_str)
    }
}

/// Reads the rows of a file.
pub(super) fn read(bytes: &[u8]) -> Result<Rows, RowsError> {
    let text = decode(bytes);
    match text.trim_start().bytes().next() {
        None => Err(RowsError::Empty),
        Some(b'[' | b'{') => json(&text),
        Some(_) => csv(&text),
    }
}

/// By its byte order mark, and UTF-16 without one by the zeros that ASCII leaves in it.
fn decode(bytes: &[u8]) -> String {
    let encoding = match bytes {
        [0, _, ..] => UTF_16BE,
        [_, 0, ..] => UTF_16LE,
        _ => UTF_8,
    };
    encoding.decode(bytes).0.into_owned()
}

fn csv(text: &str) -> Result<Rows, RowsError> {
    // Windows PowerShell writes the type of the objects into a line of its own, above the header.
    let is_header = |line: &&str| !line.trim().is_empty() && !line.starts_with('#');
    let header = text.lines().find(is_header).unwrap_or_default();
    let count = |delimiter: &u8| header.bytes().filter(|byte| byte == delimiter).count();
    let delimiter = [b',', b';', b'\t']
        .into_iter()
        .rev()
        .max_by_key(count)
        .unwrap_or(b',');
    let mut reader = ReaderBuilder::new()
        .delimiter(delimiter)
        .comment(Some(b'#'))
        .flexible(true)
        .from_reader(text.as_bytes());
    let columns: Vec<String> = reader
        .headers()?
        .iter()
        .map(|name| name.trim().to_owned())
        .collect();
    let mut sample = Row::default();
    columns.iter().for_each(|column| sample.set(column, Vec::new()));
    if !is_known(&sample) {
        return Err(RowsError::Columns {
            columns: columns.join(", ").chars().take(200).collect(),
        });
    }
    let mut lines = LineOf { text, at: 0, line: 1 };
    let mut rows = Rows::default();
    let mut record = StringRecord::new();
    while reader.read_record(&mut record)? {
        // The reader's own count is before the end of the line above where that is two bytes long.
        let begin = record.position().map_or(0, csv::Position::byte);
        let begin = usize::try_from(begin).unwrap_or(usize::MAX).min(text.len());
        let ends = text.as_bytes()[begin..]
            .iter()
            .take_while(|&&byte| byte == b'\r' || byte == b'\n');
        let line = lines.at(begin + ends.count());
        if record.len() != columns.len() {
            let problem = format!("{} fields where the header has {}", record.len(), columns.len());
            rows.unreadable.push((line, problem));
            continue;
        }
        let mut row = Row {
            line,
            ..Row::default()
        };
        for (column, value) in columns.iter().zip(&record) {
            row.set(column, vec![value.to_owned()]);
        }
        rows.rows.push(row);
    }
    Ok(rows)
}

/// Objects, arrays of them, or either under `value` as the administration service and PowerShell wrap them.
fn json(text: &str) -> Result<Rows, RowsError> {
    let mut lines = LineOf { text, at: 0, line: 1 };
    let mut rows = Rows::default();
    for value in serde_json::Deserializer::from_str(text).into_iter::<&RawValue>() {
        let value = value?;
        let items = if value.get().starts_with('[') {
            serde_json::from_str(value.get())?
        } else {
            wrapped(value).unwrap_or_else(|| vec![value])
        };
        for item in items {
            let begin = (item.get().as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
            let line = lines.at(begin);
            match serde_json::from_str(item.get()) {
                Ok(Value::Object(fields)) => rows.rows.push(object(line, fields)),
                Ok(_) => rows.unreadable.push((line, "it is no object".to_owned())),
                Err(error) => rows.unreadable.push((line, error.to_string())),
            }
        }
    }
    Ok(rows)
}

/// The rows of `{"value": [..]}`.
fn wrapped(raw: &RawValue) -> Option<Vec<&RawValue>> {
    #[derive(serde::Deserialize)]
    struct Wrapper<'a> {
        #[serde(borrow)]
        value: Vec<&'a RawValue>,
    }
    serde_json::from_str::<Wrapper<'_>>(raw.get())
        .ok()
        .map(|wrapper| wrapper.value)
}

fn object(line: u64, fields: serde_json::Map<String, Value>) -> Row {
    fn texts(value: Value) -> Vec<String> {
        match value {
            Value::String(text) => vec![text],
            Value::Number(_) | Value::Bool(_) => vec![value.to_string()],
            Value::Array(items) => items.into_iter().flat_map(texts).collect(),
            // A SID, as PowerShell writes one.
            Value::Object(mut fields) => fields.remove("Value").map_or_else(Vec::new, texts),
            Value::Null => Vec::new(),
        }
    }
    let mut row = Row {
        line,
        ..Row::default()
    };
    for (column, value) in fields {
        row.set(&column, texts(value));
    }
    row
}

/// Lines of places in a text, asked for from its beginning to its end.
struct LineOf<'a> {
    text: &'a str,
    at: usize,
    line: u64,
}

impl LineOf<'_> {
    fn at(&mut self, begin: usize) -> u64 {
        let begin = begin.clamp(self.at, self.text.len());
        let newlines = self.text.as_bytes()[self.at..begin]
            .iter()
            .filter(|&&byte| byte == b'\n')
            .count();
        self.at = begin;
        self.line += newlines as u64;
        self.line
    }
}
