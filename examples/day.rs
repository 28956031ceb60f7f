//! A day in an estate, as a benchmark of noise: `cargo run --release --example day`.
//!
//! `docs/noise.md` says what each row means.

use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use testkit::estate::{Day, EXCEPTIONS};

/// Lives a day in a simulated estate, and prints what its alerts are worth, before and after exceptions.
#[derive(Parser)]
#[command(after_help = "\
Examples:
  day                                a whole day with 3,000 clients
  day --seed 7                       another one
  day --hours 1 --clients 300        a small one
  day --format json | jq .after      for a program
  day --exceptions                   the exceptions that `after` is with")]
struct Arguments {
    /// The same seed gives the same day
    #[arg(long, default_value_t = Day::default().seed)]
    seed: u64,
    /// How long it takes: attacks, scan and backup are spread over it
    #[arg(long, default_value_t = Day::default().hours, value_parser = clap::value_parser!(u32).range(1..=168))]
    hours: u32,
    /// Clients beside the servers
    #[arg(long, default_value_t = Day::default().clients, value_parser = clap::value_parser!(u32).range(1..=60_000))]
    clients: u32,
    /// How to print it
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Prints the exceptions, and lives no day
    #[arg(long)]
    exceptions: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Text,
    Json,
}

fn main() {
    let arguments = Arguments::parse();
    if arguments.exceptions {
        print!("{EXCEPTIONS}");
        return;
    }
    let day = Day {
        seed: arguments.seed,
        hours: arguments.hours,
        clients: arguments.clients,
    };
    let progress = ProgressBar::new_spinner().with_style(ProgressStyle::default_spinner());
    progress.enable_steady_tick(Duration::from_millis(200));
    let (began, mut documents) = (Instant::now(), 0_u64);
    let figures = day.run(&mut || {
        documents += 1;
        if documents.is_multiple_of(1_000) {
            progress.set_message(format!("{documents} documents"));
        }
    });
    progress.finish_and_clear();
    match arguments.format {
        Format::Text => print!("{figures}"),
        Format::Json => println!("{:#}", figures.to_json()),
    }
    eprintln!("\n{:.1?}, seed {}", began.elapsed(), arguments.seed);
}
