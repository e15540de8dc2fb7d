//! What came of the requests, for people and, on the last line, as JSON.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

/// One request.
pub(crate) struct Sample {
    pub(crate) stage: usize,
    pub(crate) operation: &'static str,
    /// From the moment it was due.
    pub(crate) took: Duration,
    pub(crate) failure: Option<String>,
    /// Why it was sent again.
    pub(crate) again: Vec<String>,
}

fn percentile(sorted: &[Duration], share: usize) -> f64 {
    let last = sorted.len().saturating_sub(1);
    let found = sorted.get(last.min(sorted.len() * share / 100));
    found.map_or(0.0, |took| took.as_secs_f64() * 1e3)
}

/// Prints and returns one line of the report.
pub(crate) fn line<'a>(title: &str, samples: impl Iterator<Item = &'a Sample>) -> Value {
    let mut took = Vec::new();
    let (mut failures, mut again): (BTreeMap<&str, usize>, BTreeMap<&str, usize>) = Default::default();
    for sample in samples {
        took.push(sample.took);
        if let Some(failure) = &sample.failure {
            *failures.entry(failure).or_default() += 1;
        }
        for why in &sample.again {
            *again.entry(why).or_default() += 1;
        }
    }
    took.sort_unstable();
    let failed: usize = failures.values().sum();
    let [p50, p95, p99, longest] = [50, 95, 99, 100].map(|share| percentile(&took, share));
    let count = took.len();
    let tell = |title: &str, counts: &BTreeMap<&str, usize>| {
        if counts.is_empty() {
            String::new()
        } else {
            format!("  {title} {counts:?}")
        }
    };
    println!(
        "{title:22} {count:7} requests  p50 {p50:7.2} ms  p95 {p95:7.2} ms  \
         p99 {p99:7.2} ms  longest {longest:7.1} ms  failed {failed}{}{}",
        tell("why", &failures),
        tell("sent again", &again),
    );
    json!({"title": title, "requests": count, "p50_ms": p50, "p95_ms": p95, "p99_ms": p99, "longest_ms": longest,
           "failed": failed, "failures": failures, "sent_again": again})
}
