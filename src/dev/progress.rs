//! Tells the person at the terminal what takes time.

use std::future::Future;
use std::io::Write;
use std::time::{Duration, Instant};

/// How often a long step says that it still runs.
const REMINDER: Duration = Duration::from_secs(3);

/// Lines on standard error, or nothing.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    quiet: bool,
}

impl Progress {
    /// Prints every step.
    #[must_use]
    pub fn visible() -> Self {
        Self { quiet: false }
    }

    /// Prints nothing.
    #[must_use]
    pub fn quiet() -> Self {
        Self { quiet: true }
    }

    /// Says what begins now.
    pub fn step(self, what: &str) {
        if !self.quiet {
            // A closed terminal is no reason to stop.
            let _ = writeln!(std::io::stderr(), "aponta: {what} ...");
        }
    }

    /// Says what begins now, and reminds while it lasts.
    pub async fn during<T>(self, what: &str, work: impl Future<Output = T>) -> T {
        self.step(what);
        let started = Instant::now();
        let mut reminder = tokio::time::interval_at((started + REMINDER).into(), REMINDER);
        tokio::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                _ = reminder.tick() => self.step(&format!("still at it after {} s", started.elapsed().as_secs())),
            }
        }
    }
}
