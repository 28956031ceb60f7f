//! Reads alerts of a file that grows.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;

use super::reader::Reader;
use crate::page::{Store, Tail};

/// How often the file is looked at.
const EVERY: Duration = Duration::from_millis(300);

/// Reads what is there, then follows.
///
/// # Errors
/// The file cannot be read.
pub(super) fn start(path: &Path, store: &Arc<Store>) -> anyhow::Result<Reader> {
    let mut tail = Tail::new(path);
    poll(&mut tail, path, store).with_context(|| format!("--file {}", path.display()))?;
    let (path, store) = (path.to_owned(), Arc::clone(store));
    Ok(Reader::start(move |until| {
        while !until.is_over(EVERY) {
            let problem = poll(&mut tail, &path, &store).err();
            let words = problem.map(|problem| format!("{}: {problem}; trying again", path.display()));
            store.set_problem(words.as_deref());
        }
    }))
}

fn poll(tail: &mut Tail, path: &Path, store: &Store) -> std::io::Result<()> {
    tail.poll(&mut |line| {
        let origin = Place {
            path,
            line: line.number,
        };
        match line.text {
            Some(text) => store.take(text, &origin),
            None => store.reject(&origin, "longer than 4 MiB"),
        }
    })
}

struct Place<'a> {
    path: &'a Path,
    line: u64,
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.path.display(), self.line)
    }
}
