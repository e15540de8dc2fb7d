//! The budget of a caller. The refill is slow enough here that a test is over before a token comes back.

use crate::support::{Reply, Request, TestApp};

/// Under the limit, and quick: it asks no database.
const PATH: &str = "/api/v1";

async fn app(variables: &[(&str, &str)]) -> TestApp {
    let limits = [
        ("RATE_LIMIT_ENABLED", "true"),
        ("RATE_LIMIT_PER_SECOND", "1"),
        ("RATE_LIMIT_BURST", "3"),
    ];
    TestApp::with(limits.into_iter().chain(variables.iter().copied())).await
}

async fn statuses(app: &TestApp, n: usize, request: impl Fn() -> Request) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..n {
        statuses.push(app.send(request()).await.status.as_u16());
    }
    statuses
}

fn from(peer: &str) -> Request {
    Request::get(PATH).from(peer)
}

#[tokio::test]
async fn requests_beyond_the_burst_get_429_with_headers() {
    let app = app(&[]).await;
    let first = app.send(from("192.0.2.1:1")).await;
    assert_eq!(first.header("ratelimit-policy"), "\"default\";q=3;w=3");
    assert_eq!(first.header("ratelimit"), "\"default\";r=2;t=1");
    assert_eq!(statuses(&app, 2, || from("192.0.2.1:2")).await, [200, 200]);

    let refused: Reply = app.send(from("192.0.2.1:3")).await;

    assert_eq!(refused.problem(429)["code"], "muitas_requisicoes");
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(refused.header("ratelimit"), "\"default\";r=0;t=1");
    assert_eq!(refused.header("ratelimit-policy"), "\"default\";q=3;w=3");
}

#[tokio::test]
async fn each_caller_has_a_budget() {
    let app = app(&[]).await;
    assert_eq!(
        statuses(&app, 4, || from("192.0.2.1:1")).await,
        [200, 200, 200, 429]
    );
    assert_eq!(
        app.send(from("192.0.2.2:1")).await.status.as_u16(),
        200,
        "another address"
    );
    let with_token = |token: &str| from("192.0.2.1:1").header("authorization", token);
    assert_eq!(
        statuses(&app, 4, || with_token("Bearer a")).await,
        [200, 200, 200, 429]
    );
    assert_eq!(
        app.send(with_token("Bearer b")).await.status.as_u16(),
        200,
        "another credential"
    );
    let neighbour = || from("[2001:db8::1]:1");
    assert_eq!(statuses(&app, 3, neighbour).await, [200, 200, 200]);
    assert_eq!(
        app.send(from("[2001:db8::2]:1")).await.status.as_u16(),
        429,
        "one subscriber's network"
    );
}

#[tokio::test]
async fn made_up_credentials_run_into_the_budget_of_their_address() {
    let app = app(&[]).await;
    let mut refused = None;
    for n in 0..10_000 {
        let reply = app
            .send(from("192.0.2.1:1").header("authorization", &format!("Bearer {n}")))
            .await;
        if reply.status.as_u16() == 429 {
            refused = Some((n, reply));
            break;
        }
    }
    let (n, reply) = refused.expect("a flood of credentials is never refused");
    assert!(n >= 60, "an office of {n} callers is refused already");
    reply.problem(429);
    assert_eq!(app.send(from("192.0.2.2:1")).await.status.as_u16(), 200);
}

#[tokio::test]
async fn forwarded_addresses_count_only_from_trusted_proxies() {
    let forwarded = |peer: &str, client: &str| from(peer).header("x-forwarded-for", client);
    let app = app(&[("TRUSTED_PROXIES", "10.0.0.0/8")]).await;
    assert_eq!(
        statuses(&app, 4, || forwarded("10.0.0.1:1", "192.0.2.1")).await,
        [200, 200, 200, 429]
    );
    assert_eq!(
        app.send(forwarded("10.0.0.1:1", "192.0.2.2"))
            .await
            .status
            .as_u16(),
        200
    );
    // A stranger that invents addresses stays one caller.
    for n in 0..3 {
        app.send(forwarded("198.51.100.1:1", &format!("203.0.113.{n}")))
            .await
            .expect(200);
    }
    app.send(forwarded("198.51.100.1:1", "203.0.113.99"))
        .await
        .problem(429);
}

#[tokio::test]
async fn health_and_docs_have_only_the_budget_of_an_address() {
    let app = app(&[]).await;
    for path in [
        "/",
        "/health",
        "/healthz",
        "/ready",
        "/docs",
        "/redoc",
        "/openapi.json",
    ] {
        let seen = statuses(&app, 6, || Request::get(path).from("192.0.2.1:1")).await;
        assert_eq!(seen, [200; 6], "{path}");
    }
    // An address has twenty callers' worth, which come back twenty a second.
    for (path, peer) in [("/health", "192.0.2.2:1"), ("/docs", "192.0.2.3:1")] {
        let mut answered = 0;
        let refused = loop {
            let reply = app.send(Request::get(path).from(peer)).await;
            if reply.status != 200 {
                break reply;
            }
            answered += 1;
            assert!(answered < 500, "{path} is never refused");
        };
        assert!(answered >= 60, "{path}: {answered}");
        assert_eq!(refused.problem(429)["code"], "muitas_requisicoes");
        assert_eq!(refused.header("ratelimit"), "", "it is not the caller's budget");
        assert_ne!(refused.header("retry-after"), "");
    }
    assert_eq!(
        statuses(&app, 4, || Request::get("/nada").from("192.0.2.1:1")).await,
        [404, 404, 404, 429]
    );
}

#[tokio::test]
async fn limit_can_be_switched_off() {
    let app = app(&[("RATE_LIMIT_ENABLED", "false")]).await;
    assert_eq!(statuses(&app, 10, || from("192.0.2.1:1")).await, [200; 10]);
    assert_eq!(app.send(from("192.0.2.1:1")).await.header("ratelimit"), "");
}

#[tokio::test]
async fn one_credential_in_any_form_has_one_budget() {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    let app = app(&[]).await;
    let basic = |user: &str| format!("Basic {}", STANDARD.encode(format!("{user}:the-pat")));
    let spellings = [
        "Bearer the-pat".to_owned(),
        "bearer  the-pat".to_owned(),
        basic("u1"),
        basic("u2"),
        "BEARER the-pat".to_owned(),
    ];
    let mut statuses = Vec::new();
    for spelling in &spellings {
        let request = from("192.0.2.1:1").header("authorization", spelling);
        statuses.push(app.send(request).await.status.as_u16());
    }
    assert_eq!(statuses, [200, 200, 200, 429, 429]);
}

#[tokio::test]
async fn ipv6_site_has_a_budget_above_its_networks() {
    let app = app(&[]).await;
    let (mut answered, started) = (0.0, std::time::Instant::now());
    for network in 0..64 {
        for n in 0..60 {
            let request = from(&format!("[2001:db8:7:{network:x}::1]:1"));
            let request = request.header("authorization", &format!("Bearer {network}-{n}"));
            if app.send(request).await.status == 429 {
                // 960 at once, and 320 come back each second.
                let most = 961.0 + 320.0 * started.elapsed().as_secs_f64();
                assert!((960.0..=most).contains(&answered), "{answered}");
                let elsewhere = from("[2001:db8:8::1]:1");
                assert_eq!(app.send(elsewhere).await.status.as_u16(), 200);
                return;
            }
            answered += 1.0;
        }
    }
    panic!("a site of 64 networks is never refused");
}
