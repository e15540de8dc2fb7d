//! Lists of activities: order, pages, filters, and what they refuse.

use serde_json::json;
use uuid::Uuid;

use super::{PATH, create};
use crate::support::TestApp;
use crate::support::data::projeto;

#[tokio::test]
async fn lists_are_in_one_order_over_all_pages() {
    let app = TestApp::new().await;
    let p = projeto(&app.pool, "P").await;
    // D-24: the old service sorted each page by code points and counted from 1 on every page.
    for nome in ["Zeta", "alfa", "Ábaco", "Beta", "ação", "beta", "Élan"] {
        create(&app, nome, p).await;
    }
    let mut names = Vec::new();
    for skip in [0, 3, 6] {
        let page = app.get(&format!("{PATH}?skip={skip}&limit=3")).await.expect(200);
        assert_eq!(page["total"], 7);
        for (index, item) in page["items"].as_array().unwrap().iter().enumerate() {
            assert_eq!(item["order"], skip + index + 1);
            names.push(item["nome"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(names, ["Ábaco", "ação", "alfa", "Beta", "beta", "Élan", "Zeta"]);
}

#[tokio::test]
async fn pages_do_not_repeat_rows_with_equal_names() {
    let app = TestApp::new().await;
    let p = projeto(&app.pool, "P").await;
    for _ in 0..9 {
        create(&app, "igual", p).await;
    }
    let mut seen = std::collections::HashSet::new();
    for skip in 0..9 {
        let page = app.get(&format!("{PATH}?skip={skip}&limit=1")).await.expect(200);
        seen.insert(page["items"][0]["id"].as_str().unwrap().to_owned());
    }
    assert_eq!(seen.len(), 9);
}

#[tokio::test]
async fn list_filters_and_counts_what_matches() {
    let app = TestApp::new().await;
    let (p, q) = (projeto(&app.pool, "P").await, projeto(&app.pool, "Q").await);
    create(&app, "a", p).await;
    create(&app, "b", q).await;
    let inactive = json!({"nome": "c", "ativo": false, "ids_projetos": [p, q]});
    app.post(PATH, inactive).await.expect(201);

    let total = async |query: &str| app.get(&format!("{PATH}{query}")).await.expect(200)["total"].clone();
    assert_eq!(total("").await, 3);
    assert_eq!(total("?ativo=true").await, 2);
    assert_eq!(total("?ativo=off").await, 1);
    assert_eq!(total(&format!("?id_projeto={p}")).await, 2);
    assert_eq!(total(&format!("?id_projeto={p}&ativo=1")).await, 1);
    assert_eq!(total(&format!("?id_projeto={}", Uuid::new_v4())).await, 0);
    let beyond = app.get(&format!("{PATH}?skip=50")).await.expect(200);
    assert_eq!(
        beyond,
        json!({"items": [], "total": 3, "next_cursor": null}),
        "the total is there even when the page is empty"
    );
    let gestao = app.get(&format!("{PATH}/gestao")).await.expect(200);
    assert_eq!(gestao, app.get(PATH).await.expect(200));
    let item = &gestao["items"][2];
    assert_eq!(
        (&item["nome"], item["projetos"].as_array().unwrap().len()),
        (&json!("c"), 2)
    );
}

#[tokio::test]
async fn list_refuses_bad_parameters_all_at_once() {
    let app = TestApp::new().await;
    let query = "?skip=-1&limit=1001&ativo=quem&id_projeto=";
    let expected = [
        "query.skip greater_than_equal",
        "query.limit less_than_equal",
        "query.ativo bool_parsing",
        "query.id_projeto uuid_parsing",
    ];
    assert_eq!(app.get(&format!("{PATH}{query}")).await.failures(), expected);
    assert_eq!(
        app.get(&format!("{PATH}?limit=0")).await.failures(),
        ["query.limit greater_than_equal"]
    );
    let huge = "99999999999999999999";
    assert_eq!(
        app.get(&format!("{PATH}?skip={huge}")).await.failures(),
        ["query.skip int_parsing"]
    );
    assert_eq!(
        app.get(&format!("{PATH}?skip=1&skip=2")).await.failures(),
        ["query.skip value_error"]
    );
    let far = app.get(&format!("{PATH}?skip={}", i64::MAX)).await.expect(200);
    assert_eq!(far["items"], json!([]));
}
