//! `replay` over a generated file, beside a bare scan of it and beside parsing every line.

use std::path::Path;
use std::process::Command;

use super::process::{self, Usage};
use super::table::{Table, median};
use super::{Arguments, generated, itself, program};

/// What a program takes to replay a file, and how many alerts it prints.
pub(crate) fn replay(program: &Path, file: &generated::Generated) -> (Usage, usize) {
    let mut command = Command::new(program);
    command.args(["replay", "--format", "ndjson", "--inventory"]);
    let (usage, found) = process::run(command.arg(&file.inventory).arg(&file.events));
    let lines = found.split(|&byte| byte == b'\n');
    (usage, lines.filter(|line| !line.is_empty()).count())
}

pub(crate) fn run(arguments: &Arguments, table: &mut Table) {
    let file = generated::file(arguments.bytes, arguments.seed);
    let bytes = std::fs::metadata(&file.events).unwrap().len() as f64;
    let probe = |what: &str| {
        let mut command = itself();
        command.arg(what).arg(&file.events);
        command
    };
    // First of all: is it right? This also brings the file into memory.
    let (_, found) = replay(program(), &file);
    assert_eq!(found, file.attacks, "replay finds what was generated");

    let mut runs: [Vec<Usage>; 3] = Default::default();
    for _ in 0..arguments.runs {
        runs[0].push(replay(program(), &file).0);
        runs[1].push(process::run(&mut probe("scan")).0);
        runs[2].push(process::run(&mut probe("parse")).0);
    }
    let cpu = |index: usize| median(runs[index].iter().map(|usage| usage.cpu.as_secs_f64()).collect());
    let wall = |index: usize| median(runs[index].iter().map(|usage| usage.wall.as_secs_f64()).collect());
    let peak = runs[0].iter().map(|usage| usage.peak).max().unwrap_or_default();
    let rate = |seconds: f64| {
        format!(
            "{:.2} GB/s, {:.0} k events/s",
            bytes / seconds / 1e9,
            file.events_count as f64 / seconds / 1e3
        )
    };
    let name = |what: &str| format!("replay, {:.2} GB, {what}", bytes / 1e9);
    table.row(
        &name("a core"),
        &rate(cpu(0)),
        &format!("memchr scan {}", rate(cpu(1))),
        &format!("{:.2} of the scan", cpu(1) / cpu(0)),
    );
    table.row(
        &name("a core"),
        &rate(cpu(0)),
        &format!("serde_json, every line {}", rate(cpu(2))),
        &format!("{:.1} times", cpu(2) / cpu(0)),
    );
    table.row(
        &name("wall clock"),
        &rate(wall(0)),
        &format!("memchr scan {}", rate(wall(1))),
        &format!("{:.2} of the scan", wall(1) / wall(0)),
    );
    table.row(
        &name("peak memory"),
        &format!("{:.1} MiB", peak as f64 / f64::from(1 << 20)),
        &format!("input {:.0} MiB", bytes / f64::from(1 << 20)),
        &format!("{} of {} attacks found", found, file.attacks),
    );
}
