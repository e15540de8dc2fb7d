//! Log lines on their way to standard output when there are thousands a second: callers put them down and go on; a thread of its own
//! writes what has gathered, in one piece. Whoever reads the log too slowly misses lines, which are counted; no request waits for it.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

use super::metrics;

/// How long lines may gather, and so how many are lost with a process that is killed; warnings and errors do not wait.
const PACE: Duration = Duration::from_millis(10);
/// Most bytes that wait to be written; warnings and errors find room beyond, as much again.
const MOST_BYTES: usize = 1 << 20;
/// What is kept allocated between two batches.
const USUAL_BYTES: usize = 64 << 10;
/// How long the end of the process may wait for whoever reads the log.
const PATIENCE: Duration = Duration::from_secs(1);

/// Where lines are put down. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Lines(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    /// A line has come that the thread should know of.
    arrived: Condvar,
    /// A batch is written.
    written: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    bytes: Vec<u8>,
    /// Lines that found no room.
    lost: u64,
    /// Something in it should not wait.
    urgent: bool,
    /// A batch has been taken out of it and is being written.
    writing: bool,
}

impl Lines {
    /// Starts the thread that writes them to `out`.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub(super) fn start(out: impl Write + Send + 'static) -> io::Result<Self> {
        Self::start_paced(out, PACE)
    }

    fn start_paced(mut out: impl Write + Send + 'static, pace: Duration) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let lines = Self(Arc::clone(&shared));
        let write = move || {
            let mut batch = Vec::new();
            loop {
                let lost = shared.take(&mut batch, pace);
                // There is nobody left to be told of a failure.
                let _ = out.write_all(&batch).and_then(|()| out.flush());
                batch.clear();
                batch.shrink_to(USUAL_BYTES);
                shared.lock().writing = false;
                shared.written.notify_all();
                if lost > 0 {
                    tracing::warn!(lost, "log lines are missing: standard output is read too slowly");
                }
            }
        };
        std::thread::Builder::new().name("log".to_owned()).spawn(write)?;
        Ok(lines)
    }

    /// Waits until everything that was put down is written, but not for ever.
    pub(super) fn finish(&self) {
        let Self(shared) = self;
        let mut queue = shared.lock();
        queue.urgent = true;
        shared.arrived.notify_one();
        let outstanding = |queue: &mut Queue| queue.writing || !queue.bytes.is_empty();
        let waited = shared.written.wait_timeout_while(queue, PATIENCE, outstanding);
        drop(waited);
    }

    fn put(&self, line: &[u8], urgent: bool) {
        let Self(shared) = self;
        let mut queue = shared.lock();
        let most = if urgent { 2 * MOST_BYTES } else { MOST_BYTES };
        if queue.bytes.len() + line.len() > most {
            queue.lost += 1;
            drop(queue);
            metrics::log_line_lost();
            return;
        }
        // A wake-up costs more than a line.
        let wake = queue.bytes.is_empty() || (urgent && !queue.urgent);
        queue.bytes.extend_from_slice(line);
        queue.urgent |= urgent;
        drop(queue);
        if wake {
            shared.arrived.notify_one();
        }
    }
}

impl Shared {
    /// Nothing that holds the lock can fail half-way.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for lines and swaps them for the empty `batch`. Returns how many were lost before.
    fn take(&self, batch: &mut Vec<u8>, pace: Duration) -> u64 {
        let empty = |queue: &mut Queue| queue.bytes.is_empty();
        let queue = self.arrived.wait_while(self.lock(), empty);
        let queue = queue.unwrap_or_else(PoisonError::into_inner);
        let calm = |queue: &mut Queue| !queue.urgent;
        let gathered = self.arrived.wait_timeout_while(queue, pace, calm);
        let (mut queue, _) = gathered.unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut queue.bytes, batch);
        queue.urgent = false;
        queue.writing = true;
        std::mem::take(&mut queue.lost)
    }
}

/// A line of one event.
#[derive(Debug)]
pub(super) struct Line<'a> {
    lines: &'a Lines,
    urgent: bool,
}

impl Write for Line<'_> {
    /// The subscriber writes a line in one piece.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.lines.put(bytes, self.urgent);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line {
            lines: self,
            urgent: false,
        }
    }

    fn make_writer_for(&'a self, event: &Metadata<'_>) -> Line<'a> {
        Line {
            lines: self,
            urgent: *event.level() <= Level::WARN,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    const NEVER: Duration = Duration::from_hours(1);

    /// Tells what is written, and goes on when it is told to.
    struct Reader {
        seen: Sender<String>,
        go_on: Receiver<()>,
    }

    impl Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.seen
                .send(String::from_utf8_lossy(bytes).into_owned())
                .unwrap();
            self.go_on.recv().unwrap();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn start(pace: Duration) -> (Lines, Receiver<String>, Sender<()>) {
        let (seen, written) = channel();
        let (reads, go_on) = channel();
        let lines = Lines::start_paced(Reader { seen, go_on }, pace).unwrap();
        (lines, written, reads)
    }

    #[test]
    fn lines_of_many_threads_arrive_whole_and_in_their_order() {
        let (lines, written, reads) = start(PACE);
        (0..10_000).for_each(|_| reads.send(()).unwrap());
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let lines = &lines;
                scope.spawn(move || {
                    (0..1000).for_each(|n| lines.put(format!("{thread} {n}\n").as_bytes(), false));
                });
            }
        });
        lines.finish();
        let text: String = written.try_iter().collect();
        for thread in 0..4 {
            let expected: Vec<String> = (0..1000).map(|n| format!("{thread} {n}")).collect();
            let own: Vec<&str> = text
                .lines()
                .filter(|line| line.starts_with(&format!("{thread} ")))
                .collect();
            assert_eq!(own, expected);
        }
    }

    #[test]
    fn an_error_takes_along_what_has_gathered() {
        let (lines, written, reads) = start(NEVER);
        reads.send(()).unwrap();
        lines.put(b"request\n", false);
        lines.put(b"error\n", true);
        assert_eq!(written.recv().unwrap(), "request\nerror\n");
    }

    #[test]
    fn what_is_not_read_is_lost_beyond_a_bound_except_errors() {
        let (lines, written, reads) = start(Duration::ZERO);
        lines.put(b"taken\n", false);
        assert_eq!(written.recv().unwrap(), "taken\n");
        // From here on nobody reads.
        let line = [b'x'; 1024];
        (0..=MOST_BYTES / line.len()).for_each(|_| lines.put(&line, false));
        assert_eq!(lines.0.lock().lost, 1);
        lines.put(b"error\n", true);
        let queue = lines.0.lock();
        assert_eq!((queue.lost, queue.bytes.len()), (1, MOST_BYTES + 6));
        drop((reads, written));
    }
}
