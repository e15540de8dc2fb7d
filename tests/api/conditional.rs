//! `ETag`, `If-Match`, `If-None-Match` on single entries and activities (RFC 9110, 13).

use axum::http::Method;
use azure_devops_fake::Fault;
use serde_json::json;

use crate::support::logging::path;
use crate::support::{Logging, Reply, Request};

/// A request of the member with one more header.
async fn send(logging: &Logging, request: Request, name: &'static str, value: &str) -> Reply {
    let request = request.bearer(&logging.tenants.member).header(name, value);
    logging.tenants.app.send(request).await
}

#[tokio::test]
async fn read_with_current_etag_is_304_without_a_body() {
    let logging = Logging::new().await;
    let entry = path(&logging.log("01:00").await);
    let atividade = format!("/api/v1/atividades/{}", logging.atividade);
    for path in [entry, atividade] {
        let first = logging.get(&path).await;
        first.expect(200);
        let etag = first.header("etag").to_owned();
        assert!(etag.starts_with('"') && etag.ends_with('"'), "{etag}");
        assert_eq!(first.header("cache-control"), "private, no-cache");
        for tags in [
            etag.clone(),
            format!("\"x\", {etag}"),
            format!("W/{etag}"),
            "*".to_owned(),
        ] {
            let again = send(&logging, Request::get(&path), "if-none-match", &tags).await;
            assert_eq!((again.status.as_u16(), again.bytes.len()), (304, 0), "{tags}");
            assert_eq!(again.header("etag"), etag);
        }
        for tags in ["\"x\"", "", "x"] {
            send(&logging, Request::get(&path), "if-none-match", tags)
                .await
                .expect(200);
        }
        let head = send(
            &logging,
            Request::new(Method::HEAD, &path),
            "if-none-match",
            &etag,
        )
        .await;
        assert_eq!(head.status.as_u16(), 304);
    }
}

#[tokio::test]
async fn put_with_stale_etag_is_412_without_effect() {
    let logging = Logging::new().await;
    let entry = path(&logging.log("01:00").await);
    let atividade = format!("/api/v1/atividades/{}", logging.atividade);
    for (path, mine, theirs) in [
        (
            entry,
            json!({"comentario": "meu"}),
            json!({"comentario": "deles"}),
        ),
        (atividade, json!({"nome": "Minha"}), json!({"nome": "Deles"})),
    ] {
        let seen = logging.get(&path).await.header("etag").to_owned();
        let put = Request::put(&path).bearer(&logging.tenants.admin).json(&theirs);
        logging.tenants.app.send(put).await.expect(200);
        let before = logging.get(&path).await;
        for stale in [seen.as_str(), "\"x\"", "x", "\"-\"", ""] {
            for request in [
                Request::put(&path).json(&mine),
                Request::new(Method::PATCH, &path).json(&mine),
                Request::delete(&path),
            ] {
                let refused = send(&logging, request, "if-match", stale).await.problem(412);
                assert_eq!(refused["code"], "versao_desatualizada", "{stale}");
            }
        }
        let put = async |tag: &str| send(&logging, Request::put(&path).json(&mine), "if-match", tag).await;
        put(&format!("W/{seen}")).await.problem(412);
        assert_eq!(logging.get(&path).await.json(), before.json());
        // A proxy that compresses makes the tag weak.
        let current = before.header("etag").to_owned();
        let changed = put(&format!("W/{current}")).await;
        changed.expect(200);
        let answered = changed.header("etag").to_owned();
        assert_ne!(answered, current);
        send(&logging, Request::put(&path).json(&theirs), "if-match", "*")
            .await
            .expect(200);
    }
}

#[tokio::test]
async fn two_puts_of_one_version_store_one() {
    let logging = Logging::new().await;
    let path = path(&logging.log("01:00").await);
    let seen = logging.get(&path).await.header("etag").to_owned();
    let puts = (0..10).map(|n| {
        let request = Request::put(&path).json(&json!({"comentario": format!("c{n}")}));
        send(&logging, request, "if-match", &seen)
    });
    let replies = futures_util::future::join_all(puts).await;
    let made = replies.iter().filter(|reply| reply.status == 200).count();
    let refused = replies.iter().filter(|reply| reply.status == 412).count();
    assert_eq!((made, refused), (1, 9));
}

#[tokio::test]
async fn write_back_state_changes_etag_but_not_if_match() {
    let logging = Logging::new().await;
    logging
        .azure()
        .fault_times("contoso", "update_work_item", Fault::Status(503, None), 1);
    let reply = logging.post(&logging.body()).await;
    let entry = reply.expect(201);
    assert_eq!(entry["sincronizacao"]["estado"], "pendente");
    let seen = reply.header("etag").to_owned();
    assert_eq!(logging.write_due().await, 1);
    let path = path(&entry);
    let reread = send(&logging, Request::get(&path), "if-none-match", &seen).await;
    assert_eq!(reread.expect(200)["sincronizacao"]["estado"], "sincronizado");
    let change = Request::put(&path).json(&json!({"comentario": "c"}));
    send(&logging, change, "if-match", &seen).await.expect(200);
}
