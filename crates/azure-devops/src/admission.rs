//! Admission of calls: permits and circuit breakers of an organisation. `docs/azure-devops.md` states which
//! failures count against the host and which against one identity.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout_at;

use super::breaker::{Breaker, Outcome, Ticket};
use super::credential::{Credential, Fingerprint};
use super::error::{Error, Unavailability};
use super::lanes::{HangDetector, Lane, LaneKey, Lanes};
use super::operation::Host;
use super::organizacao::Patience;
use super::transport::Call;

/// `Retry-After` of a call that got no permit in time.
const BUSY_RETRY: Duration = Duration::from_secs(1);
/// Number of lanes that can use all their permits at once; further calls wait.
const FULL_LANES: usize = 4;

/// Permits and circuit breakers of an organisation.
#[derive(Debug)]
pub(super) struct Admission {
    /// Circuit breakers of the two hosts of the organisation, which fail independently.
    hosts: [HostCircuit; 2],
    lanes: Lanes,
    /// Permits of all lanes together, one pool for foreground and one for background calls, so that neither
    /// exhausts the other.
    permits: [Arc<Semaphore>; 2],
    /// Permits of calls that prove callers, so that made-up tokens do not delay proved callers.
    proof_permits: Arc<Semaphore>,
    /// Circuit breaker of calls that prove callers; failures of made-up tokens do not open the circuit of
    /// other calls.
    proof_breaker: Arc<Breaker>,
}

/// Circuit breaker of a host.
#[derive(Debug)]
struct HostCircuit {
    /// Counts failures that no single identity causes.
    breaker: Arc<Breaker>,
    hang_detector: HangDetector,
}

/// Permission for one attempt; holds its permits until it is dropped.
#[derive(Debug)]
pub(super) struct Pass<'a> {
    circuit: &'a HostCircuit,
    identity: Option<Fingerprint>,
    tickets: Tickets,
    _permits: [Option<OwnedSemaphorePermit>; 2],
    /// Holds the lane for the time of the call, because a lane without calls may be dropped.
    _lane: Option<Arc<Lane>>,
}

#[derive(Debug)]
enum Tickets {
    /// The outcome is not counted.
    None,
    Proof(Ticket),
    /// A call without an identity has no ticket of a lane.
    Proved {
        host: Ticket,
        lane: Option<Ticket>,
    },
}

impl Admission {
    /// Creates the admission for `concurrency` concurrent calls per identity; breakers stay open for
    /// `open_for`.
    pub(super) fn new(organizacao: &str, concurrency: usize, open_for: Duration) -> Self {
        let circuit = |name: String| HostCircuit {
            breaker: Breaker::new(name, open_for),
            hang_detector: HangDetector::default(),
        };
        Self {
            hosts: [
                circuit(organizacao.to_owned()),
                circuit(format!("{organizacao} (identities)")),
            ],
            lanes: Lanes::new(organizacao, concurrency, open_for),
            permits: [concurrency * FULL_LANES, concurrency * FULL_LANES / 2]
                .map(|permits| Arc::new(Semaphore::new(permits))),
            proof_permits: Arc::new(Semaphore::new(concurrency.div_ceil(2))),
            proof_breaker: Breaker::new(format!("{organizacao} (proofs)"), open_for),
        }
    }

    /// Waits for the permits of the call until `latest`, and returns an error if none is free by then or a
    /// circuit breaker is open.
    pub(super) async fn admit(&self, call: &Call<'_>, latest: Instant) -> Result<Pass<'_>, Error> {
        if call.operation.unproved {
            self.admit_proof(call, latest).await
        } else {
            self.admit_proved(call, latest).await
        }
    }

    async fn admit_proof(&self, call: &Call<'_>, latest: Instant) -> Result<Pass<'_>, Error> {
        let circuit = self.circuit(call.host);
        let permit = permit(&self.proof_permits, latest).await?;
        closed(&circuit.breaker)?;
        let ticket = self.proof_breaker.admit(Instant::now()).map_err(open)?;
        Ok(Pass {
            circuit,
            identity: None,
            tickets: Tickets::Proof(ticket),
            _permits: [Some(permit), None],
            _lane: None,
        })
    }

    async fn admit_proved(&self, call: &Call<'_>, latest: Instant) -> Result<Pass<'_>, Error> {
        let circuit = self.circuit(call.host);
        let identity = call.credential.map(Credential::fingerprint);
        let key = LaneKey {
            host: call.host,
            identity,
            patience: call.patience,
        };
        let lane = self.lanes.of(key, Instant::now());
        if call.operation.vital {
            // A call that would be rejected anyway does not wait for a permit first.
            closed(&lane.breaker)?;
            closed(&circuit.breaker)?;
        }
        let permits = [
            Some(permit(&lane.permits, latest).await?),
            Some(permit(self.semaphore_of(call.patience), latest).await?),
        ];
        let tickets = if call.operation.vital {
            let now = Instant::now();
            let of_lane = identity.map(|_| lane.breaker.admit(now)).transpose();
            Tickets::Proved {
                lane: of_lane.map_err(open)?,
                host: circuit.breaker.admit(now).map_err(open)?,
            }
        } else {
            Tickets::None
        };
        Ok(Pass {
            circuit,
            identity,
            tickets,
            _permits: permits,
            _lane: Some(lane),
        })
    }

    /// Returns `true` if the circuit breaker of the host is closed.
    pub(super) fn is_closed(&self, host: Host) -> bool {
        self.circuit(host).breaker.is_closed()
    }

    /// Returns the number of hosts whose circuit breaker is not closed.
    pub(super) fn open_hosts(&self) -> usize {
        let open = self.hosts.iter().filter(|circuit| !circuit.breaker.is_closed());
        open.count()
    }

    /// Returns the number of lanes whose circuit breaker is not closed.
    pub(super) fn open_lanes(&self) -> usize {
        self.lanes.open()
    }

    fn semaphore_of(&self, patience: Patience) -> &Arc<Semaphore> {
        let [foreground, background] = &self.permits;
        match patience {
            Patience::Foreground => foreground,
            Patience::Background => background,
        }
    }

    fn circuit(&self, host: Host) -> &HostCircuit {
        let [api, identity] = &self.hosts;
        match host {
            Host::Api => api,
            Host::Identity => identity,
        }
    }
}

impl Pass<'_> {
    /// Records the outcome of the attempt; `error` is the error with which it failed.
    pub(super) fn settle(self, error: Option<&Error>, now: Instant) {
        let timed_out = matches!(error, Some(Error::Timeout));
        let failed = error.is_some_and(Error::is_outage);
        match self.tickets {
            Tickets::None => {}
            Tickets::Proof(ticket) => {
                // Azure DevOps may be slow or fail for one token, but no token causes an unreachable host.
                let unreachable = error.is_some_and(Error::is_unreachable);
                ticket.settle(
                    if unreachable {
                        Outcome::Failed
                    } else {
                        Outcome::Works
                    },
                    now,
                );
                if !failed {
                    self.circuit.hang_detector.end();
                }
            }
            Tickets::Proved { host, lane } => {
                if let Some(lane) = lane {
                    lane.settle(of_lane(timed_out, failed), now);
                }
                // Azure DevOps delays an identity that sends too many requests, so a timeout of a signed call
                // says nothing about the host.
                match self.identity.filter(|_| timed_out) {
                    Some(identity) => {
                        host.settle(Outcome::Unclear, now);
                        if self.circuit.hang_detector.note(identity, now) {
                            self.circuit.breaker.trip(now);
                        }
                    }
                    None if failed => host.settle(Outcome::Failed, now),
                    None => {
                        host.settle(Outcome::Works, now);
                        self.circuit.hang_detector.end();
                    }
                }
            }
        }
    }
}

fn of_lane(timed_out: bool, failed: bool) -> Outcome {
    match (timed_out, failed) {
        (true, _) => Outcome::Failed,
        (false, true) => Outcome::Unclear,
        (false, false) => Outcome::Works,
    }
}

async fn permit(permits: &Arc<Semaphore>, latest: Instant) -> Result<OwnedSemaphorePermit, Error> {
    match timeout_at(latest.into(), Arc::clone(permits).acquire_owned()).await {
        Ok(Ok(permit)) => Ok(permit),
        _ => Err(Error::unavailable(Unavailability::Busy, Some(BUSY_RETRY))),
    }
}

fn closed(breaker: &Breaker) -> Result<(), Error> {
    breaker
        .open_for(Instant::now())
        .map_or(Ok(()), |wait| Err(open(wait)))
}

fn open(wait: Duration) -> Error {
    Error::unavailable(Unavailability::BreakerOpen, Some(wait))
}
