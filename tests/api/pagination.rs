//! Pages of lists: cursors, `Link` to the next page, and totals of bare arrays.

use std::collections::HashSet;

use axum::http::Method;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::support::data::projeto;
use crate::support::logging::{APONTAMENTOS, day};
use crate::support::{Logging, Reply, Request, TestApp};

const ATIVIDADES: &str = "/api/v1/atividades";

/// A change between two pages.
#[derive(Debug, Clone)]
enum Change {
    /// Creates a row with this key: its place in the list follows from it.
    Insert(u8),
    /// Deletes the row at this share of the list.
    Delete(prop::sample::Index),
}

fn changes() -> impl Strategy<Value = Vec<Vec<Change>>> {
    let change = prop_oneof![
        (0..5_u8).prop_map(Change::Insert),
        any::<prop::sample::Index>().prop_map(Change::Delete),
    ];
    prop::collection::vec(prop::collection::vec(change, 0..4), 0..8)
}

/// Lists that can be walked while they change.
trait List {
    async fn insert(&self, key: u8) -> String;
    async fn delete(&self, id: &str);
    async fn get(&self, path_and_query: &str) -> Reply;
    /// Returns the path and the filters of the list.
    fn address(&self) -> (&str, &str);
}

/// Walks a list with changes between the pages. Returns the ids in the order seen, and those of the rows that
/// existed all the time.
async fn walk(
    list: &impl List,
    before: &[u8],
    limit: usize,
    script: &[Vec<Change>],
) -> (Vec<String>, HashSet<String>) {
    let mut rows = Vec::new();
    for key in before {
        rows.push(list.insert(*key).await);
    }
    let mut lasting: HashSet<String> = rows.iter().cloned().collect();
    let (path, filters) = list.address();
    let (mut seen, mut query) = (Vec::new(), format!("{filters}&limit={limit}"));
    let mut script = script.iter();
    loop {
        let reply = list.get(&format!("{path}?{query}")).await;
        let page = reply.expect(200);
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= limit);
        assert_eq!(
            page["total"],
            rows.len(),
            "the total counts the rows of all pages"
        );
        seen.extend(items.iter().map(|item| item["id"].as_str().unwrap().to_owned()));
        for change in script.next().into_iter().flatten() {
            match change {
                Change::Insert(key) => rows.push(list.insert(*key).await),
                Change::Delete(_) if rows.is_empty() => {}
                Change::Delete(index) => {
                    let id = rows.swap_remove(index.index(rows.len()));
                    list.delete(&id).await;
                    lasting.remove(&id);
                }
            }
        }
        let link = next_link(&reply);
        assert_eq!(page["next_cursor"].is_null(), link.is_none());
        let Some(next) = link else { break };
        query = next;
    }
    for id in &rows {
        list.delete(id).await;
    }
    (seen, lasting)
}

/// Returns the query of the link to the next page.
fn next_link(reply: &Reply) -> Option<String> {
    let link = reply.header("link");
    let query = link.strip_prefix("<?")?.strip_suffix(">; rel=\"next\"")?;
    Some(query.to_owned())
}

/// Checks that a walk loses and doubles no row, for random lists and changes.
fn check_walks(runtime: &Runtime, list: &impl List) {
    let config = Config {
        cases: 20,
        failure_persistence: None,
        ..Config::default()
    };
    let rows = prop::collection::vec(0..5_u8, 0..12);
    let result = TestRunner::new(config).run(&(rows, 1..5_usize, changes()), |(before, limit, script)| {
        let (seen, lasting) = runtime.block_on(walk(list, &before, limit, &script));
        let distinct: HashSet<String> = seen.iter().cloned().collect();
        prop_assert_eq!(distinct.len(), seen.len(), "a row came twice");
        let missed: Vec<_> = lasting.difference(&distinct).collect();
        prop_assert!(missed.is_empty(), "missed: {:?}", missed);
        Ok(())
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
}

struct Atividades {
    app: TestApp,
    projeto: uuid::Uuid,
}

impl List for Atividades {
    async fn insert(&self, key: u8) -> String {
        let nome = ["ação", "Acao", "b/arra", "Écran", "zê"][usize::from(key)];
        let body = json!({"nome": nome, "ids_projetos": [self.projeto]});
        let created = self.app.post(ATIVIDADES, body).await.expect(201);
        created["id"].as_str().unwrap().to_owned()
    }

    async fn delete(&self, id: &str) {
        let request = Request::delete(&format!("{ATIVIDADES}/{id}"));
        self.app.send(request).await.expect(204);
    }

    async fn get(&self, path_and_query: &str) -> Reply {
        self.app.get(path_and_query).await
    }

    fn address(&self) -> (&str, &str) {
        (ATIVIDADES, "ativo=true")
    }
}

#[test]
fn walk_of_activities_loses_and_doubles_no_row() {
    let runtime = Runtime::new().unwrap();
    let list = runtime.block_on(async {
        let app = TestApp::new().await;
        let projeto = projeto(&app.pool, "P").await;
        Atividades { app, projeto }
    });
    check_walks(&runtime, &list);
}

struct Apontamentos {
    logging: Logging,
    /// Path and filters of the list.
    address: String,
}

impl List for Apontamentos {
    async fn insert(&self, key: u8) -> String {
        let body = json!({"duracao": "00:01", "data_apontamento": day(-i64::from(key) / 2)});
        let created = self
            .logging
            .post(&self.logging.body_with(&body))
            .await
            .expect(201);
        created["id"].as_str().unwrap().to_owned()
    }

    async fn delete(&self, id: &str) {
        self.logging.delete(&json!({"id": id})).await.expect(204);
    }

    async fn get(&self, path_and_query: &str) -> Reply {
        self.logging.get(path_and_query).await
    }

    fn address(&self) -> (&str, &str) {
        self.address.split_once('?').unwrap()
    }
}

fn check_entries(address: impl Fn(&Logging) -> String) {
    let runtime = Runtime::new().unwrap();
    let list = runtime.block_on(async {
        let logging = Logging::with(&[("WRITEBACK_MODE", "off")]).await;
        let address = address(&logging);
        Apontamentos { logging, address }
    });
    check_walks(&runtime, &list);
}

#[test]
fn walk_of_entries_loses_and_doubles_no_row() {
    check_entries(|_| format!("{APONTAMENTOS}?organization_name=contoso"));
}

#[test]
fn walk_of_the_oldest_entries_loses_and_doubles_no_row() {
    check_entries(|_| format!("{APONTAMENTOS}?ordem=asc"));
}

#[test]
fn walk_of_a_work_items_entries_loses_and_doubles_no_row() {
    check_entries(|logging| logging.of_item(""));
}

#[tokio::test]
async fn cursor_continues_the_order_of_activities() {
    let app = TestApp::new().await;
    let p = projeto(&app.pool, "P").await;
    for nome in ["a", "b", "c"] {
        let body = json!({"nome": nome, "ids_projetos": [p]});
        app.post(ATIVIDADES, body).await.expect(201);
    }
    let first = app.get(&format!("{ATIVIDADES}?skip=1&limit=1")).await;
    let next = next_link(&first).unwrap();
    let second = app.get(&format!("{ATIVIDADES}?{next}")).await.expect(200);
    let item = &second["items"][0];
    assert_eq!((&item["nome"], &item["order"]), (&json!("c"), &json!(3)));
    assert_eq!(second["next_cursor"], Value::Null);
}

#[tokio::test]
async fn foreign_cursor_is_refused() {
    let logging = Logging::new().await;
    logging.log("00:01").await;
    logging.log("00:01").await;
    let page = logging.get(&format!("{APONTAMENTOS}?limit=1")).await.expect(200);
    let cursor = page["next_cursor"].as_str().unwrap();
    let refused = [
        format!("{ATIVIDADES}?cursor={cursor}"),
        format!("{APONTAMENTOS}?cursor={cursor}&skip=1"),
        format!("{APONTAMENTOS}?cursor={cursor}&ordem=asc"),
        format!("{APONTAMENTOS}?cursor=x{cursor}"),
        format!("{APONTAMENTOS}?cursor="),
    ];
    for path in refused {
        let failures = logging.get(&path).await.failures();
        assert_eq!(failures, ["query.cursor value_error"], "{path}");
    }
    let same_order = logging
        .get(&format!("{APONTAMENTOS}?cursor={cursor}&ordem=desc"))
        .await;
    assert_eq!(same_order.expect(200)["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn bare_array_has_total_and_link() {
    let app = TestApp::new().await;
    for nome in ["P", "Q", "R"] {
        projeto(&app.pool, nome).await;
    }
    let whole = app.get("/api/v1/projetos").await;
    let total = whole.expect(200).as_array().unwrap().len();
    assert_eq!(whole.header("x-total-count"), total.to_string());
    assert_eq!(next_link(&whole), None);
    let page = app.get("/api/v1/projetos?limit=2").await;
    assert_eq!(page.header("x-total-count"), total.to_string());
    assert_eq!(next_link(&page).as_deref(), Some("limit=2&skip=2"));
    let last = app
        .get(&format!("/api/v1/projetos?limit=2&skip={}", total - 1))
        .await;
    assert_eq!(next_link(&last), None);
}

#[tokio::test]
async fn browser_may_read_link_and_total() {
    let app = TestApp::new().await;
    let request = Request::new(Method::GET, "/api/v1/projetos").header("origin", "https://dev.azure.com");
    let reply = app.send(request).await;
    let exposed = reply.header("access-control-expose-headers").to_ascii_lowercase();
    for name in ["link", "x-total-count"] {
        assert!(
            exposed.split(',').any(|header| header.trim() == name),
            "{exposed}"
        );
    }
}
