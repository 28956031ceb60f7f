//! Child processes and what they cost.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What a process has cost.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    pub wall: Duration,
    /// User and system time of all threads.
    pub cpu: Duration,
    /// Largest resident memory, in bytes.
    pub peak: u64,
}

/// Runs a command to its end and gives back what it wrote to standard output.
pub(crate) fn run(command: &mut Command) -> (Usage, Vec<u8>) {
    let began = Instant::now();
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut stderr = child.stderr.take().unwrap();
    let out = std::thread::spawn(move || read_all(&mut stdout));
    let told = std::thread::spawn(move || read_all(&mut stderr));
    let mut usage = Usage::default();
    // A zombie still tells its times, until it is waited for.
    while let Some((now, has_ended)) = usage_of(child.id()) {
        usage.cpu = now.cpu;
        usage.peak = usage.peak.max(now.peak);
        if has_ended {
            break;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let out = out.join().unwrap();
    usage.wall = began.elapsed();
    let status = child.wait().unwrap();
    let told = told.join().unwrap();
    assert!(
        status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&told)
    );
    (usage, out)
}

fn read_all(from: &mut impl std::io::Read) -> Vec<u8> {
    let mut all = Vec::new();
    from.read_to_end(&mut all).unwrap();
    all
}

/// What a process has cost so far, and whether it has ended.
pub(crate) fn usage_of(process: u32) -> Option<(Usage, bool)> {
    const TICKS_A_SECOND: u64 = 100;
    let folder = format!("/proc/{process}");
    let stat = std::fs::read_to_string(format!("{folder}/stat")).ok()?;
    // The name in parentheses may hold anything; what follows is numbers.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = fields[11].parse::<u64>().ok()? + fields[12].parse::<u64>().ok()?;
    let status = std::fs::read_to_string(format!("{folder}/status")).unwrap_or_default();
    let peak = status
        .lines()
        .find_map(|line| {
            line.strip_prefix("VmHWM:")?
                .trim()
                .strip_suffix("kB")?
                .trim()
                .parse::<u64>()
                .ok()
        })
        .unwrap_or_default();
    let usage = Usage {
        wall: Duration::ZERO,
        cpu: Duration::from_millis(ticks * 1_000 / TICKS_A_SECOND),
        peak: peak * 1_024,
    };
    Some((usage, fields[0] == "Z"))
}
