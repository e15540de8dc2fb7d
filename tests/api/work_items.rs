//! `/work-items/search`: by id, `#id` or title; text stays text.

use azure_devops_fake::{Fault, NewWorkItem};
use serde_json::{Value, json};

use crate::support::Logging;
use crate::support::logging::PROJECT;

async fn search(logging: &Logging, query: &str, more: &str) -> Value {
    let encoded: String = url::form_urlencoded::byte_serialize(query.as_bytes()).collect();
    let path = format!("/api/v1/work-items/search?query={encoded}&organization_name=contoso{more}");
    logging.get(&path).await.expect(200)
}

fn ids(found: &Value) -> Vec<i64> {
    let results = found["results"].as_array().unwrap();
    assert_eq!(found["count"], results.len());
    results.iter().map(|item| item["id"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn work_items_are_found_by_title_id_and_sign() {
    let logging = Logging::new().await;
    let add = |new| i64::from(logging.azure().work_item("contoso", new));
    let task = || NewWorkItem::task(PROJECT);
    let late = add(task().titled("Ação de teste").changed("2026-02-01").estimate(8.0));
    let early = add(task().titled("Outra ação").changed("2026-01-01"));
    let epic = add(task().titled("Ação épica").of_type("Epic").changed("2026-03-01"));
    let elsewhere = add(NewWorkItem::task("Another")
        .titled("Ação alheia")
        .changed("2026-04-01"));
    let numbered = add(task().titled(&format!("Ver {late}")).changed("2025-01-01"));

    let found = search(&logging, "ação", "").await;
    assert_eq!(ids(&found), [elsewhere, epic, late, early]);
    assert_eq!(
        (&found["query"], &found["project"]),
        (&json!("ação"), &Value::Null)
    );
    let in_project = format!("&project_id={}", logging.tenants.projeto);
    assert_eq!(
        ids(&search(&logging, "ação", &in_project).await),
        [epic, late, early]
    );
    // D-40: the limit is spent on the types that are wanted.
    let limited = format!("{in_project}&work_item_types=Task,%20Bug&limit=1");
    assert_eq!(ids(&search(&logging, " ação ", &limited).await), [late]);
    assert_eq!(ids(&search(&logging, &format!("#{late}"), "").await), [late]);
    assert_eq!(ids(&search(&logging, &format!("#0{late}"), "").await), [late]);
    // One digit is an id, not a part of a title.
    assert_eq!(ids(&search(&logging, "5", "").await), Vec::<i64>::new());
    assert_eq!(
        ids(&search(&logging, &late.to_string(), "").await),
        [late, numbered]
    );
    // The very id comes first, however many titles bear the number.
    assert_eq!(
        ids(&search(&logging, &late.to_string(), "&limit=1").await),
        [late]
    );
    let epics = format!("{in_project}&work_item_types=Epic");
    assert_eq!(
        ids(&search(&logging, &late.to_string(), &epics).await),
        Vec::<i64>::new()
    );
    let foreign = elsewhere.to_string();
    assert_eq!(
        ids(&search(&logging, &foreign, &in_project).await),
        Vec::<i64>::new()
    );
    assert_eq!(ids(&search(&logging, &foreign, "").await), [elsewhere]);
    assert_eq!(ids(&search(&logging, "#999999", "").await), Vec::<i64>::new());
}

#[tokio::test]
async fn found_work_item_has_every_picker_field() {
    let logging = Logging::new().await;
    let task = NewWorkItem::task(PROJECT).titled("Ação de teste").estimate(8.0);
    let late = logging.azure().work_item("contoso", task);
    let in_project = format!("&project_id={}", logging.tenants.projeto);
    let item = &search(&logging, &format!("#{late}"), &in_project).await["results"][0];
    assert_eq!(
        (&item["type"], &item["project"], &item["state"]),
        (&json!("Task"), &json!(PROJECT), &json!("Doing"))
    );
    assert_eq!(
        (&item["originalEstimate"], &item["completedWork"]),
        (&json!(8.0), &Value::Null)
    );
    assert!(item["url"].as_str().unwrap().contains("/_apis/wit/workItems/"));
    // The organisation may be left out.
    logging
        .get("/api/v1/work-items/search?query=a%C3%A7%C3%A3o")
        .await
        .expect(200);
}

#[tokio::test]
async fn d_09_no_text_becomes_syntax() {
    let logging = Logging::new().await;
    let title = "D'Ávila [System.Id] @Me \"x\" -- (a) 50% OR 1=1";
    let item = logging
        .azure()
        .work_item("contoso", NewWorkItem::task(PROJECT).titled(title));
    for part in [
        "D'Ávila",
        "[System.Id]",
        "@Me",
        "\"x\" --",
        "(a) 50%",
        "OR 1=1",
        "'Á",
    ] {
        assert_eq!(
            ids(&search(&logging, part, "").await),
            [i64::from(item)],
            "{part}"
        );
    }
    for attack in [
        "x' OR [System.Id] > 0 OR 'a' = 'a",
        "'; DROP",
        "''",
        "\\'",
        "x') OR ([System.Id] > 0",
        "²³",
        "#²³",
        "tab\there",
    ] {
        assert_eq!(
            ids(&search(&logging, attack, "").await),
            Vec::<i64>::new(),
            "{attack}"
        );
    }
    let types = "&work_item_types=Task')%20OR%20(%5BSystem.Id%5D%20%3E%200,Bug";
    assert_eq!(ids(&search(&logging, "Ávila", types).await), Vec::<i64>::new());
}

#[tokio::test]
async fn invalid_search_is_422() {
    let logging = Logging::new().await;
    let failures = async |query: &str| {
        let path = format!("/api/v1/work-items/search?{query}");
        logging.get(&path).await.failures()
    };
    assert_eq!(failures("").await, ["query.query missing"]);
    assert_eq!(failures("query=a").await, ["query.query string_too_short"]);
    assert_eq!(failures("query=%20a%20").await, ["query.query string_too_short"]);
    assert_eq!(failures("query=%23").await, ["query.query string_too_short"]);
    assert_eq!(
        failures("query=ab&limit=51&organization_name=a/b").await,
        [
            "query.organization_name value_error",
            "query.limit less_than_equal"
        ]
    );
    let get = |query: &str| {
        let path = format!("/api/v1/work-items/search?query=ab&{query}");
        let logging = &logging;
        async move { logging.get(&path).await }
    };
    get("organization_name=fabrikam").await.problem(403);
    get("project_id=Nenhum").await.problem(400);
    for operation in ["query_work_items", "read_work_items"] {
        let logging = Logging::new().await;
        logging
            .azure()
            .work_item("contoso", NewWorkItem::task(PROJECT).titled("abc"));
        logging
            .azure()
            .fault("contoso", operation, Fault::Status(500, None));
        logging
            .get("/api/v1/work-items/search?query=ab")
            .await
            .problem(502);
    }
}

#[tokio::test]
async fn icons_are_read_once_and_never_delay_a_search() {
    let logging = Logging::new().await;
    let add = |tipo: &str| {
        logging
            .azure()
            .work_item("contoso", NewWorkItem::task(PROJECT).titled("abc").of_type(tipo))
    };
    for tipo in ["Task", "Task", "Bug"] {
        add(tipo);
    }
    let icons = |found: &Value| -> Vec<String> {
        let results = found["results"].as_array().unwrap();
        results
            .iter()
            .map(|item| item["iconUrl"].as_str().unwrap().to_owned())
            .collect()
    };
    let found = search(&logging, "abc", "").await;
    assert_eq!(logging.azure().count("read_icon"), 2);
    assert!(
        icons(&found)
            .iter()
            .all(|icon| icon.starts_with("data:image/svg+xml;base64,"))
    );
    let asked = logging.azure().seen().into_iter();
    let mut asked: Vec<String> = asked
        .filter(|seen| seen.operation == "read_icon")
        .map(|seen| seen.path)
        .collect();
    asked.sort_unstable();
    assert!(
        asked[0].ends_with("/icon_bug") && asked[1].ends_with("/icon_task"),
        "not what the types tell: {asked:?}"
    );
    search(&logging, "ab", "").await;
    assert_eq!(logging.azure().count("read_icon"), 2);

    for fault in [
        Fault::Hang,
        Fault::Status(500, None),
        Fault::Html,
        Fault::Huge(100_000),
    ] {
        let logging = Logging::new().await;
        logging
            .azure()
            .work_item("contoso", NewWorkItem::task(PROJECT).titled("abc"));
        logging.azure().fault("contoso", "read_icon", fault.clone());
        let found = search(&logging, "abc", "").await;
        assert!(
            icons(&found)[0].starts_with("data:image/svg+xml;base64,"),
            "{fault:?}"
        );
    }
}
