//! A server that does nothing but answer `/health` with the bytes it was given: what
//! `benches/http/reference.sh` compares ours with.
//!
//! `bare PORT BODY`

#![expect(clippy::unwrap_used, reason = "a benchmark")]

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let (port, body) = (arguments.next().unwrap(), arguments.next().unwrap());
    let answer = move || {
        let body = body.clone();
        async move { ([(CONTENT_TYPE, "application/json")], body) }
    };
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}"))
        .await
        .unwrap();
    axum::serve(listener, Router::new().route("/health", get(answer)))
        .await
        .unwrap();
}
