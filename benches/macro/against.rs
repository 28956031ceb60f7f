//! Two builds of the program in turn, run by run: what a change costs.
//!
//! Both are measured from outside, as processes, by the same code over the same documents, so that nothing but the
//! program differs. Of each pair the ratio is taken, since a machine's speed drifts; of the ratios the median.

use std::path::Path;

use pipewarden_tools::generator::{Fleet, Plan};

use super::process::Usage;
use super::support::broker::{Broker, broker};
use super::support::service::Settings;
use super::table::{Table, median};
use super::{Arguments, firehose, generated, latency, program, replay, whole};

/// How much more than the other build this one may cost, in the median.
const AT_MOST: f64 = 1.05;

/// What a run has cost: name and figure, less is better. Only the first so many are held against [`AT_MOST`].
struct Costs {
    held: usize,
    figures: Vec<(&'static str, f64)>,
}

/// Measures what is asked for; false if anything costs too much.
pub(crate) fn run(
    arguments: &Arguments,
    other: &Path,
    is_asked: &dyn Fn(&str) -> bool,
    table: &mut Table,
) -> bool {
    let mut is_even = true;
    let mut take_turns = |what: &str, measure: &mut dyn FnMut(&Path) -> Costs| {
        is_even &= pairs(what, arguments.runs, other, measure, table);
    };
    if is_asked("replay") {
        let file = generated::file(arguments.bytes, arguments.seed);
        // Not counted: it brings the file into memory.
        replay::replay(program(), &file);
        take_turns("replay", &mut |build| {
            let (usage, found) = replay::replay(build, &file);
            assert_eq!(found, file.attacks, "replay finds what was generated");
            Costs::of(usage)
        });
    }
    let on_broker = ["firehose", "whole", "latency"]
        .into_iter()
        .filter(|what| is_asked(what));
    let Some(broker) = on_broker.clone().next().and_then(|_| broker()) else {
        return is_even && on_broker.count() == 0;
    };
    if is_asked("firehose") {
        router(arguments, broker, &mut take_turns);
    }
    if is_asked("whole") {
        whole_path(arguments, broker, &mut take_turns);
    }
    if is_asked("latency") {
        take_turns("latency", &mut |build| {
            let run = latency::steady(broker, arguments, Some(build)).expect("only the peer may be missing");
            assert!(run.behind < arguments.rate as f64, "it keeps up with the rate");
            Costs::of_latencies(run.latencies)
        });
    }
    is_even
}

type TakeTurns<'a> = dyn FnMut(&str, &mut dyn FnMut(&Path) -> Costs) + 'a;

/// What topics of the settings are called in builds that do not know the name of now; some have none.
const OLD_TOPIC_NAMES: [(&str, Option<&str>); 2] = [("bindings", Some("identities")), ("sightings", None)];

/// Makes the settings those of another build, in the words that it knows.
pub(crate) fn hand_to(build: &Path, settings: &mut Settings) {
    build.clone_into(&mut settings.program);
    // A build names one key that it does not know.
    for _ in OLD_TOPIC_NAMES {
        let stderr = settings.command(&["check"]).stderr;
        let refusal = String::from_utf8_lossy(&stderr).into_owned();
        for (name, old) in OLD_TOPIC_NAMES {
            if refusal.contains(&format!("kafka.topics.{name}")) {
                let topics = settings.value["kafka"]["topics"].as_object_mut().unwrap();
                let topic = topics.remove(name).unwrap();
                topics.extend(old.map(|old| (old.to_owned(), topic)));
            }
        }
    }
}

fn router(arguments: &Arguments, broker: &Broker, take_turns: &mut TakeTurns<'_>) {
    let prefix = broker.prefix("firehose");
    let input = format!("{prefix}.winlogbeat");
    let fleet = Fleet::invented(20, 2_000);
    let inventory = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(inventory.path(), fleet.inventory()).unwrap();
    let plan = Plan::new(arguments.seed, arguments.messages);
    firehose::fill(broker, &input, &plan, fleet);
    // Not counted: whoever reads first meets a broker whose just-in-time compiler is cold.
    firehose::consumed(broker, &input, arguments.messages);
    take_turns("router", &mut |build| {
        let mut settings = firehose::settings(broker, &broker.prefix("firehose"), &input, inventory.path());
        hand_to(build, &mut settings);
        settings.create_topics();
        Costs::of(firehose::route(&settings, arguments.messages))
    });
}

fn whole_path(arguments: &Arguments, broker: &Broker, take_turns: &mut TakeTurns<'_>) {
    let fleet = Fleet::invented(20, 2_000);
    let input = format!("{}.winlogbeat", broker.prefix("whole"));
    let truths = firehose::fill(broker, &input, &whole::backlog(arguments), fleet.clone());
    firehose::consumed(broker, &input, arguments.whole_messages);
    take_turns("whole path", &mut |build| {
        let mut stage = whole::stage_of_backlog(broker, &input, &fleet);
        hand_to(build, &mut stage.settings);
        let (contestant, alerts) = whole::start(broker, &stage, true).expect("only the peer may be missing");
        let pass = whole::pass(&contestant, arguments.whole_messages as f64);
        whole::await_all(broker, &alerts, &truths, true);
        Costs {
            held: 2,
            figures: vec![
                ("wall clock, µs a message", 1e6 / pass.wall),
                ("a core, µs a message", 1e6 / pass.cpu),
            ],
        }
    });
}

impl Costs {
    fn names(&self) -> impl Iterator<Item = &'static str> {
        self.figures.iter().map(|&(name, _)| name)
    }

    fn of(usage: Usage) -> Self {
        Self {
            held: 2,
            figures: vec![
                ("wall clock, s", usage.wall.as_secs_f64()),
                ("a core, s", usage.cpu.as_secs_f64()),
            ],
        }
    }

    /// Quantiles are whole milliseconds, as Kafka's clock is; the mean is finer.
    fn of_latencies(mut latencies: Vec<f64>) -> Self {
        let mean = latencies.iter().sum::<f64>() / latencies.len() as f64;
        Self {
            held: 1,
            figures: vec![
                ("mean, ms", mean),
                ("p50, ms", latency::quantile(&mut latencies, 0.5)),
                ("p99, ms", latency::quantile(&mut latencies, 0.99)),
            ],
        }
    }
}

/// Runs both builds so many times; false if this one costs too much.
fn pairs(
    what: &str,
    runs: usize,
    other: &Path,
    measure: &mut dyn FnMut(&Path) -> Costs,
    table: &mut Table,
) -> bool {
    let (mut ours, mut others) = (Vec::new(), Vec::new());
    for run in 0..runs {
        // Whoever is second in one pair is first in the next.
        if run % 2 == 0 {
            ours.push(measure(program()));
            others.push(measure(other));
        } else {
            others.push(measure(other));
            ours.push(measure(program()));
        }
    }
    let held = ours.first().map_or(0, |costs| costs.held);
    let names: Vec<&str> = ours.iter().take(1).flat_map(Costs::names).collect();
    let mut is_even = true;
    for (index, name) in names.iter().enumerate() {
        let column = |runs: &[Costs]| -> Vec<f64> { runs.iter().map(|run| run.figures[index].1).collect() };
        let (ours, others) = (column(&ours), column(&others));
        let mut ratios: Vec<f64> = ours.iter().zip(&others).map(|(one, other)| one / other).collect();
        ratios.sort_by(f64::total_cmp);
        let ratio = f64::midpoint(ratios[(runs - 1) / 2], ratios[runs / 2]);
        let verdict = match (index < held, ratio <= AT_MOST) {
            (false, _) => "",
            (true, true) => ", held",
            (true, false) => ", TOO MUCH",
        };
        is_even &= index >= held || ratio <= AT_MOST;
        table.row(
            &format!("{what}, {name}"),
            &format!("{:.3}", median(ours)),
            &format!("the other build {:.3}", median(others)),
            &format!(
                "{ratio:.3} ({:.3} to {:.3}){verdict}",
                ratios[0],
                ratios[runs - 1]
            ),
        );
    }
    is_even
}
