//! Lines on standard error about steps that take time.

use std::future::Future;
use std::io::Write;
use std::time::{Duration, Instant};

/// Interval between two reminders of a long step.
const REMINDER: Duration = Duration::from_secs(3);

/// Writes lines to standard error, or nothing.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    quiet: bool,
}

impl Progress {
    /// Returns a progress that prints every step.
    #[must_use]
    pub fn visible() -> Self {
        Self { quiet: false }
    }

    /// Returns a progress that prints nothing.
    #[must_use]
    pub fn quiet() -> Self {
        Self { quiet: true }
    }

    /// Prints the step that begins now.
    pub fn step(self, what: &str) {
        if !self.quiet {
            // A closed terminal is no reason to stop.
            let _ = writeln!(std::io::stderr(), "aponta: {what} ...");
        }
    }

    /// Prints the step that begins now, and reminds while it lasts.
    pub async fn during<T>(self, what: &str, work: impl Future<Output = T>) -> T {
        self.step(what);
        let started = Instant::now();
        let mut reminder = tokio::time::interval_at((started + REMINDER).into(), REMINDER);
        tokio::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                _ = reminder.tick() => self.step(&format!("still running after {} s", started.elapsed().as_secs())),
            }
        }
    }
}
