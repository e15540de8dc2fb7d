//! Messages on standard error about steps that take time.

use std::future::Future;
use std::io::Write;
use std::time::{Duration, Instant};

/// Interval between two reminders of a long step.
const REMINDER: Duration = Duration::from_secs(3);

/// Printer of progress messages to standard error; may be silent.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    quiet: bool,
}

impl Progress {
    /// Creates a printer that prints every step.
    #[must_use]
    pub fn visible() -> Self {
        Self { quiet: false }
    }

    /// Creates a printer that prints nothing.
    #[must_use]
    pub fn quiet() -> Self {
        Self { quiet: true }
    }

    /// Prints the step that starts now.
    pub fn step(self, what: &str) {
        if !self.quiet {
            // A write error, such as that of a closed terminal, is ignored.
            let _ = writeln!(std::io::stderr(), "aponta: {what} ...");
        }
    }

    /// Prints the step that starts now, and reminders until `work` is done.
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
