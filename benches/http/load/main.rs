//! Sends the mix of a frontend in stages of a rising and falling rate and says how long each request took
//! from the moment it was due: an open model, so a late answer delays no request and hides none.
//!
//! `load URL DATA.json SECONDS:RATE,... [CA.pem ADDRESS]`: a stage goes from the rate of the one before to
//! its own, with `=RATE` it keeps it. With a certificate it is an edge of Cloudflare at that address, before
//! an nginx on loopback.
//!
//! A real client's manners: a request whose kept connection had closed goes over another one, and a new entry
//! that a dying replica left unanswered is sent again under its key. Both are counted apart.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

mod mix;
mod report;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::{Certificate, Client, RequestBuilder, StatusCode, Url};
use serde_json::json;
use tokio::sync::{Semaphore, mpsc};

use mix::Mix;
use report::Sample;

/// As the service's own: what the client needs of a shared machine, the service lacks.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Connections, shared by all people as an edge of Cloudflare does; a request that finds none free waits, and
/// that counts. Four times what 1,500 requests/s of 10 ms need; more would only make the servers juggle a
/// backlog, and meet each reload with as many handshakes.
const CONNECTIONS: usize = 64;
/// How long a client goes on sending a request again.
const PATIENCE: Duration = Duration::from_secs(10);
/// Before it does.
const PAUSE: Duration = Duration::from_millis(50);

struct Stage {
    seconds: f64,
    from: f64,
    to: f64,
}

fn stages(text: &str) -> Vec<Stage> {
    let mut before = 0.0;
    let read = |part: &str| {
        let (seconds, rate) = part.split_once(':').unwrap();
        let steady = rate.strip_prefix('=');
        let to = steady.unwrap_or(rate).parse().unwrap();
        let from = if steady.is_some() { to } else { before };
        before = to;
        Stage {
            seconds: seconds.parse().unwrap(),
            from,
            to,
        }
    };
    text.split(',').map(read).collect()
}

/// When each request of a stage is due, in seconds from its start; the rate goes on a straight line.
fn due(stage: &Stage) -> impl Iterator<Item = f64> {
    let (a, b, t) = (stage.from, stage.to, stage.seconds);
    let slope = (b - a) / t;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
    let count = (f64::midpoint(a, b) * t) as u32;
    // Request n is due at x where a·x + slope·x²/2 = n.
    (0..count).map(f64::from).map(move |n| {
        if slope == 0.0 {
            n / a
        } else {
            ((a * a + 2.0 * slope * n).max(0.0).sqrt() - a) / slope
        }
    })
}

async fn once(built: RequestBuilder) -> Result<StatusCode, reqwest::Error> {
    let answer = built.send().await?;
    let status = answer.status();
    answer.bytes().await?;
    Ok(status)
}

/// The innermost reason; addresses would make each failure a kind of its own.
fn cause(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut innermost: &dyn std::error::Error = &error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// Why it failed, if it did, and why it was sent again.
async fn send(built: RequestBuilder, since: Instant) -> (Option<String>, Vec<String>) {
    let mut again = Vec::new();
    loop {
        let next = built.try_clone().unwrap();
        let (why, pause) = match once(next).await {
            Ok(status) if status.is_success() => return (None, again),
            // 409: the first attempt is still at work.
            Ok(status @ (StatusCode::BAD_GATEWAY | StatusCode::CONFLICT)) => (status.to_string(), PAUSE),
            Ok(status) => return (Some(status.to_string()), again),
            Err(error) if error.is_request() && !error.is_connect() && !error.is_timeout() => {
                ("a kept connection had closed".to_owned(), Duration::ZERO)
            }
            Err(error) => return (Some(cause(error)), again),
        };
        if since.elapsed() > PATIENCE {
            return (Some(why), again);
        }
        tokio::time::sleep(pause).await;
        again.push(why);
    }
}

async fn drive(client: Client, mix: Mix, stages: &[Stage], samples: mpsc::UnboundedSender<Sample>) {
    let connections = Arc::new(Semaphore::new(CONNECTIONS));
    let (mut start, mut n) = (Instant::now(), 0);
    for (number, stage) in stages.iter().enumerate() {
        for at in due(stage) {
            let due = start + Duration::from_secs_f64(at);
            if due > Instant::now() {
                tokio::time::sleep_until(due.into()).await;
            }
            let (operation, built) = mix.request(&client, n);
            n += 1;
            let (samples, connections) = (samples.clone(), Arc::clone(&connections));
            tokio::spawn(async move {
                let connection = connections.acquire().await.unwrap();
                let (failure, again) = send(built, Instant::now()).await;
                drop(connection);
                let sample = Sample {
                    stage: number,
                    operation,
                    took: due.elapsed(),
                    failure,
                    again,
                };
                samples.send(sample).unwrap_or_default();
            });
        }
        start += Duration::from_secs_f64(stage.seconds);
    }
}

fn client(base: &Url, edge: Option<(&str, &str)>) -> Client {
    let mut builder = Client::builder()
        .http1_only()
        .no_gzip()
        .pool_max_idle_per_host(512)
        .timeout(Duration::from_mins(1));
    if let Some((certificate, address)) = edge {
        let certificate = Certificate::from_pem(&std::fs::read(certificate).unwrap()).unwrap();
        let here = (IpAddr::from([127, 0, 0, 1]), base.port().unwrap()).into();
        builder = builder
            .tls_certs_only([certificate])
            .resolve(base.host_str().unwrap(), here)
            .local_address(address.parse::<IpAddr>().unwrap());
    }
    builder.build().unwrap()
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (base, data, plan, edge) = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [base, data, plan] => (base, data, plan, None),
        [base, data, plan, certificate, address] => (base, data, plan, Some((certificate, address))),
        _ => panic!("load URL DATA.json SECONDS:RATE,... [CA.pem ADDRESS]"),
    };
    let client = client(&base.parse().unwrap(), edge);
    let mix = Mix {
        base: base.to_owned(),
        data: serde_json::from_slice(&std::fs::read(data).unwrap()).unwrap(),
        run: uuid::Uuid::new_v4().to_string(),
        name_persons: edge.is_some(),
    };
    let plan = stages(plan);
    let (sender, mut receiver) = mpsc::unbounded_channel();
    drive(client, mix, &plan, sender).await;
    let mut samples: Vec<Sample> = Vec::new();
    while let Some(sample) = receiver.recv().await {
        samples.push(sample);
    }
    let mut lines = Vec::new();
    for (number, stage) in plan.iter().enumerate() {
        let title = format!("{:.0} s, {:.0} to {:.0}/s", stage.seconds, stage.from, stage.to);
        lines.push(report::line(
            &title,
            samples.iter().filter(|sample| sample.stage == number),
        ));
    }
    // The operations and everything together: of the last stage, which is the one that counts.
    let last = || samples.iter().filter(|sample| sample.stage + 1 == plan.len());
    for operation in mix::OPERATIONS {
        lines.push(report::line(
            operation,
            last().filter(|sample| sample.operation == operation),
        ));
    }
    println!("{}", json!(lines));
}
