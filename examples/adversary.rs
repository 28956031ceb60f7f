//! Runs worlds with an adversary by the thousand: `cargo run --release --example adversary -- --from 0 --seeds 30000`.
//!
//! The worlds are those of `tests/pure/adversary.rs`. A seed that fails is printed with the smallest world that fails likewise, and
//! `--from SEED --seeds 1` repeats it.

#![allow(clippy::unwrap_used)]

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use clap::Parser;
use indicatif::ProgressBar;
use testkit::adversary::{Counts, World};

/// Adds forged documents to true ones and compares what is told with what is true.
#[derive(Parser)]
struct Arguments {
    /// How many worlds to run
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// The first seed
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Worlds that run at a time; by default, one on each core
    #[arg(long)]
    threads: Option<usize>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let cores = || std::thread::available_parallelism().ok().map(usize::from);
    let threads = arguments.threads.or_else(cores).unwrap_or(1);
    let (next, end) = (AtomicU64::new(arguments.from), arguments.from + arguments.seeds);
    let (all, failed) = (Mutex::new(Counts::new()), Mutex::new(Vec::new()));
    let (progress, began) = (ProgressBar::new(arguments.seeds), Instant::now());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        return;
                    }
                    let world = World::of(seed);
                    match world.run() {
                        Ok(counts) => {
                            let mut all = all.lock().unwrap();
                            for (what, times) in counts {
                                *all.entry(what).or_default() += times;
                            }
                        }
                        Err(failure) => {
                            let smallest = world.minimal();
                            let why = smallest.run().err().unwrap_or(failure);
                            progress.suspend(|| eprintln!("seed {seed}: {why}\n{}", smallest.describe()));
                            failed.lock().unwrap().push(seed);
                        }
                    }
                    progress.inc(1);
                }
            });
        }
    });
    progress.finish_and_clear();
    let failed = failed.into_inner().unwrap();
    for (what, times) in all.into_inner().unwrap() {
        println!("{times:>12}  {what}");
    }
    let (first, last) = (arguments.from, end.saturating_sub(1));
    println!(
        "seeds {first} to {last} in {:.0?}, {} failed",
        began.elapsed(),
        failed.len()
    );
    if failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        println!("failed seeds: {failed:?}");
        ExitCode::FAILURE
    }
}
