//! Runs simulated worlds of crashes by the million: `cargo run --release --example simulate -- --seeds 1000000`.
//!
//! The world is that of `tests/pure/crash.rs`. A seed that fails is printed, and `--from SEED --seeds 1` repeats it.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, clippy::cast_sign_loss)]

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use clap::Parser;
use indicatif::ProgressBar;
use testkit::simulation::{self, Counts};

/// Kills the correlator at any instant, a million times, and compares what it wrote with an undisturbed run.
#[derive(Parser)]
struct Arguments {
    /// How many worlds to run
    #[arg(long, default_value_t = 10_000)]
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
    let threads = arguments
        .threads
        .or_else(|| std::thread::available_parallelism().ok().map(usize::from))
        .unwrap_or(1);
    let (next, end) = (AtomicU64::new(arguments.from), arguments.from + arguments.seeds);
    let (all, failed) = (Mutex::new(Counts::default()), Mutex::new(Vec::new()));
    let (progress, began) = (ProgressBar::new(arguments.seeds), Instant::now());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        return;
                    }
                    match simulation::run(seed) {
                        Ok(faults) => *all.lock().unwrap_or_else(PoisonError::into_inner) += faults,
                        Err(difference) => {
                            progress.suspend(|| eprintln!("seed {seed}: {difference}"));
                            failed.lock().unwrap_or_else(PoisonError::into_inner).push(seed);
                        }
                    }
                    progress.inc(1);
                }
            });
        }
    });
    progress.finish_and_clear();
    let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    let all = all.into_inner().unwrap_or_else(PoisonError::into_inner);
    for (what, times) in all.all() {
        println!("{times:>12}  {what}");
    }
    println!(
        "{} worlds in {:.0?}, {} failed",
        arguments.seeds,
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
