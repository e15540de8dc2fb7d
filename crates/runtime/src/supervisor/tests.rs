//! Panics of jobs, on a paused clock that advances only while all tasks sleep.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::*;

/// Time of each start of a job, in seconds since the first one.
#[derive(Clone, Default)]
struct Beginnings(Arc<Mutex<Vec<Instant>>>);

impl Beginnings {
    fn note(&self) -> usize {
        let mut all = self.0.lock().unwrap();
        all.push(Instant::now());
        all.len()
    }

    fn seconds(&self) -> Vec<u64> {
        let all = self.0.lock().unwrap();
        all.iter().map(|at| (*at - all[0]).as_secs()).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn job_that_panics_once_is_restarted() {
    let supervisor = Supervisor::default();
    let done = Arc::new(AtomicUsize::new(0));
    for job in Job::ALL {
        let (begun, done) = (Beginnings::default(), Arc::clone(&done));
        supervisor.spawn(*job, move || {
            let (nth, done) = (begun.note(), Arc::clone(&done));
            async move {
                assert!(nth > 1, "{job:?} has a defect");
                done.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    sleep(Duration::from_secs(2)).await;
    assert_eq!(done.load(Ordering::Relaxed), Job::ALL.len());
    supervisor.stop();
    supervisor.stopped().await;
}

#[tokio::test(start_paused = true)]
async fn panics_in_a_row_double_the_pause_up_to_a_minute() {
    let (supervisor, begun) = (Supervisor::default(), Beginnings::default());
    let noted = begun.clone();
    supervisor.spawn(Job::VaultRefresh, move || {
        noted.note();
        async { panic!("always") }
    });
    sleep(Duration::from_secs(184)).await;
    assert_eq!(begun.seconds(), [0, 1, 3, 7, 15, 31, 63, 123, 183]);
}

#[tokio::test(start_paused = true)]
async fn panic_after_a_while_of_health_counts_as_the_first() {
    let (supervisor, begun) = (Supervisor::default(), Beginnings::default());
    let noted = begun.clone();
    supervisor.spawn(Job::VaultRefresh, move || {
        let healthy_for = if noted.note() == 4 {
            HEALTHY_AFTER
        } else {
            Duration::ZERO
        };
        async move {
            sleep(healthy_for).await;
            panic!("in the end");
        }
    });
    sleep(Duration::from_secs(312)).await;
    // The fourth run lasted from second 7 to 307; the pause before the fifth is a second again, not eight.
    assert_eq!(begun.seconds(), [0, 1, 3, 7, 308, 310]);
}

#[tokio::test(start_paused = true)]
async fn panic_during_creation_restarts_the_job() {
    let (supervisor, begun) = (Supervisor::default(), Beginnings::default());
    let noted = begun.clone();
    supervisor.spawn(Job::Gauges, move || {
        assert!(noted.note() > 1, "before there is a future");
        async {}
    });
    sleep(Duration::from_secs(5)).await;
    assert_eq!(begun.seconds(), [0, 1], "a job that ended by itself stays ended");
}

#[tokio::test(start_paused = true)]
async fn stop_during_a_pause_ends_the_job_at_once() {
    let stop = CancellationToken::new();
    let supervisor = Supervisor::until(stop.clone());
    supervisor.spawn_unbroken(Job::Outbox, || async { panic!("always") });
    sleep(Duration::from_secs(40)).await;
    let stopped_at = Instant::now();
    stop.cancel();
    supervisor.stopped().await;
    assert_eq!(stopped_at.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn stop_waits_for_a_job_that_ends_by_itself() {
    let supervisor = Supervisor::default();
    let stop = supervisor.stop.clone();
    supervisor.spawn_unbroken(Job::Outbox, move || {
        let stop = stop.clone();
        async move {
            stop.cancelled().await;
            sleep(Duration::from_secs(3)).await;
        }
    });
    supervisor.spawn(Job::Gauges, std::future::pending);
    let stopped_at = Instant::now();
    supervisor.stop();
    supervisor.stopped().await;
    assert_eq!(stopped_at.elapsed(), Duration::from_secs(3));
}

#[test]
fn jobs_are_all_known_by_name() {
    let names: Vec<&str> = Job::ALL.iter().map(|job| job.name()).collect();
    let expected = [
        "forget_answers",
        "gauges",
        "log_line_sweep",
        "metrics_upkeep",
        "organization_check",
        "project_sync",
        "rate_limit_sweep",
        "replica_watch",
        "upstream_probe",
        "vault_refresh",
        "outbox",
    ];
    assert_eq!(names, expected);
}
