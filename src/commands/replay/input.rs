//! The files of a replay: found, opened, uncompressed, and cut into messages.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use indicatif::ProgressBar;
use serde::de::IgnoredAny;
use thiserror::Error;
use walkdir::WalkDir;

use super::documents::{self, Documents};
use super::lines::{LONGEST, Lines, Piece};
use crate::event::read_evtx;

/// The largest event log that is read: the format numbers its chunks with 16 bits, which is 4 GiB.
const LARGEST_EVTX: u64 = 4 << 30;

/// How an event log begins.
const EVTX_MAGIC: &[u8] = b"ElfF";

/// What a name must end in, before `.gz` or `.zst`.
const ENDINGS: [(&str, Form); 4] = [
    ("ndjson", Form::Lines),
    ("jsonl", Form::Lines),
    ("json", Form::Json),
    ("evtx", Form::Evtx),
];

/// How a file holds its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// One message a line.
    Lines,
    /// Documents, an array of them, or one message a line.
    Json,
    /// A Windows event log.
    Evtx,
}

/// Why input cannot be read.
#[derive(Debug, Error)]
pub(crate) enum InputError {
    /// A file or folder cannot be opened or read.
    #[error("cannot read {name}")]
    Read {
        /// The file.
        name: String,
        /// The system's error.
        source: io::Error,
    },
    /// A file that was named has no known ending.
    #[error("cannot tell what {name} is: expected .ndjson, .jsonl, .json or .evtx, each also .gz or .zst")]
    Ending {
        /// The file.
        name: String,
    },
    /// A folder holds nothing to read.
    #[error("{name} holds no .ndjson, .jsonl, .json or .evtx file")]
    Nothing {
        /// The folder.
        name: String,
    },
    /// A file is not of the form that its ending names.
    #[error("cannot read {name}: {message}")]
    Format {
        /// The file.
        name: String,
        /// What is wrong.
        message: String,
    },
}

/// One input, ready to be read.
#[derive(Debug)]
pub(crate) struct Input {
    /// Its name, as errors and evidence give it.
    pub name: String,
    /// None for standard input.
    path: Option<PathBuf>,
    form: Form,
}

/// Finds all inputs: files as they are named, folders from end to end in order of names.
///
/// # Errors
/// [`InputError`] for the first that cannot be found.
pub(crate) fn find(paths: &[PathBuf]) -> Result<Vec<Input>, InputError> {
    let mut inputs = Vec::new();
    for path in paths {
        let name = path.display().to_string();
        if path.as_os_str() == "-" {
            inputs.push(Input {
                name,
                path: None,
                form: Form::Lines,
            });
        } else if path.is_dir() {
            let before = inputs.len();
            for entry in WalkDir::new(path).sort_by_file_name() {
                let entry = entry.map_err(|error| InputError::Read {
                    name: name.clone(),
                    source: error.into(),
                })?;
                if entry.file_type().is_file()
                    && let Some(form) = form(entry.path())
                {
                    inputs.push(Input::new(entry.into_path(), form));
                }
            }
            if inputs.len() == before {
                return Err(InputError::Nothing { name });
            }
        } else {
            std::fs::metadata(path).map_err(|source| InputError::Read {
                name: name.clone(),
                source,
            })?;
            let form = form(path).ok_or(InputError::Ending { name })?;
            inputs.push(Input::new(path.clone(), form));
        }
    }
    Ok(inputs)
}

/// What a file holds, by its ending.
fn form(path: &Path) -> Option<Form> {
    let name = path.file_name()?.to_str()?.to_ascii_lowercase();
    let name = name
        .strip_suffix(".gz")
        .or_else(|| name.strip_suffix(".zst"))
        .unwrap_or(&name);
    let ending = name.rsplit_once('.')?.1;
    ENDINGS
        .iter()
        .find(|(known, _)| *known == ending)
        .map(|(_, form)| *form)
}

/// One message of an input.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message<'a> {
    /// Its line from 1, its place in an array, or its record id in an event log.
    pub line: u64,
    /// The message, or why there is none.
    pub content: Result<&'a [u8], &'a str>,
}

impl Input {
    fn new(path: PathBuf, form: Form) -> Self {
        Self {
            name: path.display().to_string(),
            path: Some(path),
            form,
        }
    }

    /// Size on disk in bytes, for progress; 0 where it cannot be known.
    pub(crate) fn size(&self) -> u64 {
        let metadata = self.path.as_ref().and_then(|path| std::fs::metadata(path).ok());
        metadata.map_or(0, |metadata| metadata.len())
    }

    /// Reads every message in order.
    ///
    /// # Errors
    /// [`InputError`] where the rest of the input cannot be read; what came before has been visited.
    pub(crate) fn read(
        &self,
        progress: &ProgressBar,
        visit: &mut dyn FnMut(Message<'_>),
    ) -> Result<(), InputError> {
        let failed = |source| InputError::Read {
            name: self.name.clone(),
            source,
        };
        let mut file: Box<dyn Read> = match &self.path {
            Some(path) => Box::new(File::open(path).map_err(failed)?),
            None => Box::new(io::stdin().lock()),
        };
        let mut magic = Vec::with_capacity(4);
        Read::take(&mut file, 4).read_to_end(&mut magic).map_err(failed)?;
        let whole = io::Cursor::new(magic.clone()).chain(file);
        let counted = BufReader::with_capacity(1 << 16, progress.wrap_read(whole));
        let plain: Box<dyn Read> = match magic.as_slice() {
            [0x1f, 0x8b, ..] => Box::new(MultiGzDecoder::new(counted)),
            [0x28, 0xb5, 0x2f, 0xfd] => Box::new(zstd::Decoder::with_buffer(counted).map_err(failed)?),
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => {
                let message = "it is UTF-16; convert it to UTF-8 first".to_owned();
                return Err(InputError::Format {
                    name: self.name.clone(),
                    message,
                });
            }
            _ => Box::new(counted),
        };
        match (self.form, &self.path) {
            (Form::Lines, _) => read_lines(plain, visit).map_err(failed),
            (Form::Json, _) => read_json(plain, visit).map_err(failed),
            (Form::Evtx, Some(path)) if magic == EVTX_MAGIC => {
                let file = File::open(path).map_err(failed)?;
                let ended = self.read_chunks(file, visit);
                progress.inc(self.size());
                ended
            }
            (Form::Evtx, _) => self.read_evtx(plain, visit),
        }
    }

    /// A Windows event log is read in chunks from anywhere, so what is compressed is first written to a temporary file, as
    /// large as [`LARGEST_EVTX`] at most.
    fn read_evtx(
        &self,
        from: Box<dyn Read + '_>,
        visit: &mut dyn FnMut(Message<'_>),
    ) -> Result<(), InputError> {
        let failed = |source| InputError::Read {
            name: self.name.clone(),
            source,
        };
        let mut file = tempfile::tempfile().map_err(failed)?;
        let length = io::copy(&mut from.take(LARGEST_EVTX + 1), &mut file).map_err(failed)?;
        if length > LARGEST_EVTX {
            return Err(InputError::Format {
                name: self.name.clone(),
                message: "it is larger than 4 GiB uncompressed, which no event log is".to_owned(),
            });
        }
        self.read_chunks(file, visit)
    }

    fn read_chunks(&self, file: File, visit: &mut dyn FnMut(Message<'_>)) -> Result<(), InputError> {
        let file = BufReader::with_capacity(1 << 16, file);
        read_evtx(file, &mut |line, content| visit(Message { line, content })).map_err(|message| {
            InputError::Format {
                name: self.name.clone(),
                message,
            }
        })
    }
}

fn read_lines(from: impl Read, visit: &mut dyn FnMut(Message<'_>)) -> io::Result<()> {
    let mut lines = Lines::new(from);
    while let Some((line, piece)) = lines.next()? {
        match piece {
            Piece::Line(text) if text.iter().all(u8::is_ascii_whitespace) => {}
            Piece::Line(text) => visit(Message {
                line,
                content: Ok(text),
            }),
            Piece::TooLong => visit(Message {
                line,
                content: Err("longer than 16 MiB"),
            }),
        }
    }
    Ok(())
}

/// Documents over many lines, an array of them, or one a line: the first line that holds anything decides.
fn read_json(mut from: impl Read, visit: &mut dyn FnMut(Message<'_>)) -> io::Result<()> {
    let (head, line) = first_line(&mut from)?;
    let line = &head[line];
    let is_lines = !line.starts_with(b"[") && serde_json::from_slice::<IgnoredAny>(line).is_ok();
    let whole = io::Cursor::new(&head).chain(from);
    if is_lines {
        return read_lines(whole, visit);
    }
    let mut documents = Documents::new(whole);
    while let Some((line, piece)) = documents.next()? {
        let content = match piece {
            documents::Piece::Document(text) => Ok(text),
            documents::Piece::TooLong => Err("longer than 64 MiB"),
            documents::Piece::Broken(why) => Err(why),
        };
        visit(Message { line, content });
    }
    Ok(())
}

/// The beginning of an input, less a byte order mark, and where in it the first line stands that holds anything. A line that
/// is too long to be one is cut.
fn first_line(from: &mut impl Read) -> io::Result<(Vec<u8>, Range<usize>)> {
    let (mut head, mut chunk) = (Vec::new(), vec![0; 1 << 16]);
    let (mut begin, mut searched) = (0, 0);
    loop {
        let read = match from.read(&mut chunk) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        head.extend_from_slice(&chunk[..read]);
        if searched == 0 && head.starts_with(b"\xef\xbb\xbf") {
            head.drain(..3);
        }
        if begin == searched {
            begin += head[begin..]
                .iter()
                .take_while(|byte| byte.is_ascii_whitespace())
                .count();
        }
        let end = memchr::memchr(b'\n', &head[begin.max(searched)..]).map(|end| begin.max(searched) + end);
        searched = head.len();
        if let Some(end) = end {
            return Ok((head, begin..end));
        }
        if read == 0 || searched - begin > LONGEST {
            return Ok((head, begin..searched));
        }
    }
}
