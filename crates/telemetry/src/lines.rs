//! Log lines of a server: written to standard output through a bounded queue, so that no request waits.

use std::io::{self, BufWriter, Write};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};

/// Maximum number of lines in the queue: about 1 MiB of usual lines.
const QUEUED_LINES: usize = 4_096;
/// Timeout of flushing the log at the end of the process.
const PATIENCE: Duration = Duration::from_secs(2);

static LOST: OnceLock<ErrorCounter> = OnceLock::new();

/// Returns the number of lines that this process dropped because the queue was full.
#[must_use]
pub fn lost() -> u64 {
    LOST.get().map_or(0, |counter| counter.dropped_lines() as u64)
}

/// Guard of a server's log; flushes the queue when dropped.
#[derive(Debug)]
pub struct ServerLog(Mutex<Option<WorkerGuard>>);

impl ServerLog {
    /// Starts the thread that writes to standard output. Returns the writer for log lines and the guard.
    pub(super) fn start() -> (NonBlocking, Self) {
        let (lines, log) = Self::start_with(Output::new(io::stdout()));
        LOST.get_or_init(|| lines.error_counter());
        (lines, log)
    }

    fn start_with(output: impl Write + Send + 'static) -> (NonBlocking, Self) {
        let queue = NonBlockingBuilder::default()
            .lossy(true)
            .buffered_lines_limit(QUEUED_LINES)
            .thread_name("log");
        let (lines, guard) = queue.finish(output);
        (lines, Self(Mutex::new(Some(guard))))
    }

    /// Flushes the queue, for an exit of the process that drops no values. Later lines are lost.
    pub fn finish(&self) {
        let guard = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        // The guard of a full queue prints a message to standard output, which blocks while nothing reads it.
        let (running, ended): (_, Receiver<()>) = mpsc::channel();
        let flush = move || {
            drop(guard);
            drop(running);
        };
        if thread::Builder::new().spawn(flush).is_ok() {
            let _ = ended.recv_timeout(PATIENCE);
        }
    }
}

impl Drop for ServerLog {
    fn drop(&mut self) {
        self.finish();
    }
}

/// Buffers many lines into one write, and warns of dropped lines as soon as the reader accepts lines again.
struct Output<W: Write> {
    inner: BufWriter<W>,
    reported: u64,
}

impl<W: Write> Output<W> {
    fn new(inner: W) -> Self {
        let inner = BufWriter::new(inner);
        Self { inner, reported: 0 }
    }
}

impl<W: Write> Write for Output<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.inner.write(bytes)
    }

    /// Flushes the buffer; called each time that the queue is empty.
    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()?;
        let all = lost();
        let lost = all - std::mem::replace(&mut self.reported, all);
        if lost > 0 {
            tracing::warn!(lost, "log lines dropped: standard output is read too slowly");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// Reports the written bytes, and waits for a signal before each write returns.
    struct Reader {
        seen: Sender<Vec<u8>>,
        go_on: Receiver<()>,
    }

    impl Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.seen.send(bytes.to_vec());
            let _ = self.go_on.recv();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn unread_lines_beyond_the_bound_are_lost_and_counted() {
        let ((seen, written), (reads, go_on)) = (channel(), channel());
        let (mut lines, log) = ServerLog::start_with(Reader { seen, go_on });
        lines.write_all(b"taken\n").unwrap();
        assert_eq!(written.recv().unwrap(), b"taken\n");
        // From here on the reader accepts no lines.
        for _ in 0..QUEUED_LINES + 3 {
            lines.write_all(b"line\n").unwrap();
        }
        assert_eq!(lines.error_counter().dropped_lines(), 3);
        drop(reads);
        log.finish();
        assert_eq!(written.try_iter().count(), QUEUED_LINES);
    }

    #[test]
    fn finish_with_a_stuck_reader_returns() {
        let ((seen, written), (reads, go_on)) = (channel(), channel());
        let (mut lines, log) = ServerLog::start_with(Reader { seen, go_on });
        lines.write_all(b"taken\n").unwrap();
        written.recv().unwrap();
        log.finish();
        drop(reads);
    }
}
