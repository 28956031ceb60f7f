//! The bare things that Pipewarden is measured beside, each a process of its own as Pipewarden is.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// Reads a file and finds the ends of its lines; nothing else.
pub(crate) fn scan(path: &Path) {
    let mut file = File::open(path).unwrap();
    let mut buffer = vec![0; 256 << 10];
    let mut lines = 0u64;
    loop {
        let read = file.read(&mut buffer).unwrap();
        if read == 0 {
            break;
        }
        lines += memchr::memchr_iter(b'\n', &buffer[..read]).count() as u64;
    }
    println!("{lines}");
}

/// Parses every line into a tree, as a general engine does.
pub(crate) fn parse(path: &Path) {
    use std::io::BufRead as _;
    let mut reader = std::io::BufReader::with_capacity(256 << 10, File::open(path).unwrap());
    let (mut line, mut lines) = (Vec::new(), 0u64);
    while reader.read_until(b'\n', &mut line).unwrap() > 0 {
        let value: serde_json::Value = serde_json::from_slice(&line).unwrap();
        lines += u64::from(value.is_object());
        line.clear();
    }
    println!("{lines}");
}
