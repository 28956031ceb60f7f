//! Recordings of every form, whole, cut off and hostile: what can be read is read, the rest is named, and memory is bounded.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use flate2::Compression;
use flate2::write::GzEncoder;
use testkit::winlogbeat;

/// What reading any input may cost beside detection state, by the contract, and what the program takes by itself.
const BOUND_MIB: u64 = 256 + 32;

struct Replayed {
    output: Output,
    peak_mib: Option<u64>,
}

impl Replayed {
    fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }

    fn alerts(&self) -> usize {
        self.output
            .stdout
            .split(|&byte| byte == b'\n')
            .filter(|line| !line.is_empty())
            .count()
    }
}

/// Replays one file, and watches how much memory that takes where the system tells.
fn replay(path: &Path) -> Replayed {
    let mut child = Command::new(env!("CARGO_BIN_EXE_pipewarden"))
        .args(["replay", "--format", "ndjson"])
        .arg(path)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let status = PathBuf::from(format!("/proc/{}/status", child.id()));
    let mut peak_mib = None;
    // The system forgets the figure with the process: it is read as long as there is one. Nothing is written to a pipe before
    // the end but what fits into it.
    while child.try_wait().unwrap().is_none() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib: Option<u64> = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
        peak_mib = peak_mib.max(kib.map(|kib| kib / 1024));
        std::thread::yield_now();
    }
    Replayed {
        output: child.wait_with_output().unwrap(),
        peak_mib,
    }
}

/// A gzip file of `before`, so many times `piece`, and `behind`.
fn bomb(path: &Path, before: &[u8], piece: &[u8], times: usize, behind: &[u8]) {
    let mut encoder = GzEncoder::new(std::fs::File::create(path).unwrap(), Compression::fast());
    encoder.write_all(before).unwrap();
    let many = piece.repeat((1 << 20) / piece.len());
    for _ in 0..times {
        encoder.write_all(&many).unwrap();
    }
    encoder.write_all(behind).unwrap();
    encoder.finish().unwrap();
}

#[test]
fn what_inflates_to_more_than_memory_may_hold_is_named_with_its_file_and_the_rest_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let documents: Vec<String> = winlogbeat::detect_8().iter().map(ToString::to_string).collect();
    let elements = format!("{},", documents.join(","));
    let lines = format!("{}\n", documents.join("\n"));
    let element = format!("\"{}\",", "x".repeat(1_000));
    for (name, before, piece, behind, expected) in [
        // One line, one text and one document that are too long, and one that is nested too deeply.
        (
            "line.ndjson.gz",
            &*lines,
            " x",
            "\n",
            "line.ndjson.gz:4: longer than 16 MiB",
        ),
        (
            "text.json.gz",
            "[\"",
            "x",
            "\"]",
            "text.json.gz:1: longer than 64 MiB",
        ),
        (
            "object.json.gz",
            "{\n\"a\":[",
            "0,",
            "0]}",
            "object.json.gz:1: longer than 64 MiB",
        ),
        (
            "nested.json.gz",
            "{\n\"a\":",
            "[",
            "",
            "nested.json.gz:1: longer than 64 MiB",
        ),
        // Many elements and many blanks.
        (
            "array.json.gz",
            &format!("[{elements}"),
            &element,
            "0]",
            "334404 events",
        ),
        ("blanks.json.gz", &format!("[{elements}"), " ", "0]", "4 events"),
    ] {
        let path = folder.path().join(name);
        bomb(&path, before.as_bytes(), piece.as_bytes(), 320, behind.as_bytes());
        let replayed = replay(&path);
        let stderr = replayed.stderr();
        assert!(stderr.contains(expected), "{name}: {stderr}");
        if before.contains("winlog") {
            assert_eq!(
                replayed.alerts(),
                1,
                "{name}: what stands before it is found: {stderr}"
            );
        }
        match replayed.peak_mib {
            Some(peak) => {
                println!("{peak:>5} MiB  {name}");
                assert!(peak < BOUND_MIB, "{name}: {peak} MiB");
            }
            None => eprintln!("SKIPPED: this system does not tell how much memory {name} took"),
        }
    }
}

/// The header of an event log, as the format has it, that names so many chunks.
fn evtx_header(chunks: u16) -> Vec<u8> {
    let mut header = b"ElfFile\0".to_vec();
    header.extend(0_u64.to_le_bytes());
    header.extend(u64::from(chunks.saturating_sub(1)).to_le_bytes());
    header.extend(1_u64.to_le_bytes());
    header.extend(128_u32.to_le_bytes());
    for number in [1_u16, 3, 4096, chunks] {
        header.extend(number.to_le_bytes());
    }
    header.resize(4096, 0);
    header
}

#[test]
fn an_event_log_that_is_cut_off_is_an_error_compressed_or_not() {
    let folder = tempfile::tempdir().unwrap();
    for (name, chunks, expected) in [
        ("whole.evtx", 0, None),
        (
            "cut.evtx",
            5,
            Some("cut.evtx: it is cut off: its header names 5 chunks, and 0 are there"),
        ),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, evtx_header(chunks)).unwrap();
        let compressed = folder.path().join(format!("{name}.gz"));
        let mut encoder = GzEncoder::new(std::fs::File::create(&compressed).unwrap(), Compression::fast());
        encoder.write_all(&evtx_header(chunks)).unwrap();
        encoder.finish().unwrap();
        for path in [path, compressed] {
            let replayed = replay(&path);
            let status = replayed.output.status.code();
            let stderr = replayed.stderr();
            match expected {
                None => assert_eq!(status, Some(0), "{stderr}"),
                Some(expected) => {
                    assert_eq!(status, Some(2), "{stderr}");
                    assert!(stderr.replace(".evtx.gz", ".evtx").contains(expected), "{stderr}");
                }
            }
        }
    }
}
