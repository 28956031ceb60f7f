//! A file of lines that grows: read from its beginning, then followed as it is written, truncated or replaced.

use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The longest line that is read, in bytes: far above what a document may take.
const LONGEST: usize = 4 << 20;

/// How much is read at once, in bytes.
const CHUNK: usize = 256 << 10;

/// A file that is followed.
#[derive(Debug)]
pub struct Tail {
    path: PathBuf,
    current: Option<Current>,
    /// A line whose end has not been written yet.
    partial: Vec<u8>,
    /// The rest of a line that is too long is passed over.
    is_too_long: bool,
    line: u64,
}

#[derive(Debug)]
struct Current {
    file: File,
    read: u64,
}

/// A line of the file.
#[derive(Debug, PartialEq, Eq)]
pub struct Numbered<'a> {
    /// From 1.
    pub number: u64,
    /// Without its end; `None` where it is longer than 4 MiB.
    pub text: Option<&'a [u8]>,
}

impl Tail {
    /// The file at this path, of which nothing has been read.
    pub fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            current: None,
            partial: Vec::new(),
            is_too_long: false,
            line: 0,
        }
    }

    /// Reads what has been written since, to the present end. A file that is shorter than what was read, or another one under the
    /// same name, is read from its beginning.
    ///
    /// # Errors
    /// The system's: there is no such file, or it cannot be read. It may be tried again.
    pub fn poll(&mut self, take: &mut impl FnMut(Numbered<'_>)) -> io::Result<()> {
        if self.current.is_none() {
            self.open()?;
        }
        self.read(take)?;
        let now = std::fs::metadata(&self.path)?;
        let is_other = match &self.current {
            Some(current) => is_other(&now, &current.file.metadata()?, current.read),
            None => true,
        };
        if is_other {
            self.end(take);
            self.open()?;
            self.read(take)?;
        }
        Ok(())
    }

    /// Takes the last line although it has no end: nothing more is going to be written.
    pub fn end(&mut self, take: &mut impl FnMut(Numbered<'_>)) {
        if !self.partial.is_empty() || self.is_too_long {
            self.complete(take);
        }
    }

    fn open(&mut self) -> io::Result<()> {
        let file = File::open(&self.path)?;
        self.current = Some(Current { file, read: 0 });
        self.partial.clear();
        self.is_too_long = false;
        self.line = 0;
        Ok(())
    }

    fn read(&mut self, take: &mut impl FnMut(Numbered<'_>)) -> io::Result<()> {
        let mut chunk = vec![0; CHUNK];
        while let Some(current) = &mut self.current {
            let length = current.file.read(&mut chunk)?;
            if length == 0 {
                break;
            }
            current.read += length as u64;
            self.split(&chunk[..length], take);
        }
        Ok(())
    }

    fn split(&mut self, mut chunk: &[u8], take: &mut impl FnMut(Numbered<'_>)) {
        while let Some(end) = memchr::memchr(b'\n', chunk) {
            self.append(&chunk[..end]);
            self.complete(take);
            chunk = &chunk[end + 1..];
        }
        self.append(chunk);
    }

    fn append(&mut self, part: &[u8]) {
        if self.is_too_long || self.partial.len() + part.len() > LONGEST {
            self.is_too_long = true;
            self.partial.clear();
        } else {
            self.partial.extend_from_slice(part);
        }
    }

    fn complete(&mut self, take: &mut impl FnMut(Numbered<'_>)) {
        self.line += 1;
        let is_blank = self.partial.iter().all(u8::is_ascii_whitespace);
        if self.is_too_long || !is_blank {
            take(Numbered {
                number: self.line,
                text: (!self.is_too_long).then_some(&self.partial),
            });
        }
        self.partial.clear();
        self.is_too_long = false;
    }
}

fn is_other(now: &Metadata, open: &Metadata, read: u64) -> bool {
    (now.dev(), now.ino()) != (open.dev(), open.ino()) || now.len() < read
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    /// What is read now, each line with its number.
    fn lines(tail: &mut Tail) -> Vec<(u64, String)> {
        let mut all = Vec::new();
        let mut take = |line: Numbered<'_>| {
            let text = line.text.map_or("too long".into(), String::from_utf8_lossy);
            all.push((line.number, text.into_owned()));
        };
        tail.poll(&mut take).unwrap();
        all
    }

    fn line(number: u64, text: &str) -> (u64, String) {
        (number, text.to_owned())
    }

    #[test]
    fn a_line_is_read_once_its_end_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alerts.ndjson");
        let mut file = File::create(&path).unwrap();
        let mut tail = Tail::new(&path);
        file.write_all(b"one\n\n  \ntw").unwrap();
        assert_eq!(lines(&mut tail), [line(1, "one")]);
        assert_eq!(lines(&mut tail), []);
        file.write_all(b"o\nthree").unwrap();
        assert_eq!(lines(&mut tail), [line(4, "two")]);
        let mut last = Vec::new();
        tail.end(&mut |line| last.push(line.number));
        assert_eq!(last, [5]);
    }

    #[test]
    fn a_file_that_is_truncated_or_replaced_is_read_from_its_beginning() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alerts.ndjson");
        std::fs::write(&path, "one\ntwo\n").unwrap();
        let mut tail = Tail::new(&path);
        assert_eq!(lines(&mut tail).len(), 2);
        std::fs::write(&path, "3\n").unwrap();
        assert_eq!(lines(&mut tail), [line(1, "3")]);
        let other = folder.path().join("other");
        std::fs::write(&other, "longer than before\n").unwrap();
        std::fs::write(&path, "3\n4").unwrap();
        std::fs::rename(&path, folder.path().join("alerts.1")).unwrap();
        std::fs::rename(&other, &path).unwrap();
        // What was still to come of the old one comes first.
        assert_eq!(lines(&mut tail), [line(2, "4"), line(1, "longer than before")]);
    }

    #[test]
    fn a_file_that_is_gone_is_an_error_until_it_is_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alerts.ndjson");
        std::fs::write(&path, "one\n").unwrap();
        let mut tail = Tail::new(&path);
        assert_eq!(lines(&mut tail), [line(1, "one")]);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(
            tail.poll(&mut |_| {}).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
        std::fs::write(&path, "two\n").unwrap();
        assert_eq!(lines(&mut tail), [line(1, "two")]);
    }

    #[test]
    fn a_line_beyond_the_bound_is_said_to_be_and_the_next_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alerts.ndjson");
        std::fs::write(&path, "x".repeat(LONGEST + 1) + "\nnext\n").unwrap();
        let mut tail = Tail::new(&path);
        assert_eq!(lines(&mut tail), [line(1, "too long"), line(2, "next")]);
        assert!(tail.partial.capacity() <= 2 * LONGEST);
    }
}
