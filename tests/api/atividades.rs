//! `/api/v1/atividades`: happy paths with whole bodies, each refusal, and what the tables hold afterwards.

mod kept;

use serde_json::{Value, json};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::support::data::{count, projeto, projeto_with_ids};
use crate::support::{Request, TestApp};

const PATH: &str = "/api/v1/atividades";

async fn create(app: &TestApp, nome: &str, projeto: Uuid) -> Value {
    app.post(PATH, json!({"nome": nome, "ids_projetos": [projeto]}))
        .await
        .expect(201)
}

fn path_of(atividade: &Value) -> String {
    format!("{PATH}/{}", atividade["id"].as_str().unwrap())
}

#[tokio::test]
async fn create_answers_the_whole_activity_and_get_finds_it_again() {
    let app = TestApp::new().await;
    let (b, a) = (projeto(&app.pool, "B").await, projeto(&app.pool, "A").await);
    let body =
        json!({"nome": "  Revisão de código ", "descricao": "PRs", "ids_projetos": [b, a, b], "extra": 1});

    let created = app.post(PATH, body).await.expect(201);

    let expected = json!({
        "nome": "Revisão de código",
        "descricao": "PRs",
        "ativo": true,
        "id": created["id"],
        "projetos": [{"id": b, "nome": "B"}, {"id": a, "nome": "A"}],
        "criado_por": "dev@localhost",
        "criado_em": created["criado_em"],
        "atualizado_em": created["criado_em"],
        "id_projeto": b,
        "nome_projeto": "B",
    });
    assert_eq!(created, expected);
    assert!(created["criado_em"].as_str().unwrap().ends_with('Z'));
    assert_eq!(app.get(&path_of(&created)).await.expect(200), created);
}

#[tokio::test]
async fn create_with_the_single_project_of_old_clients() {
    let app = TestApp::new().await;
    let projeto = projeto(&app.pool, "P").await;
    // D-20: id_projeto alone is enough, also beside a null list; a list wins over it.
    let old = json!({"nome": "a", "descricao": null, "ativo": true, "id_projeto": projeto});
    assert_eq!(
        app.post(PATH, old).await.expect(201)["id_projeto"],
        json!(projeto)
    );
    let null_list = json!({"nome": "a", "ids_projetos": null, "id_projeto": projeto});
    assert_eq!(
        app.post(PATH, null_list).await.expect(201)["id_projeto"],
        json!(projeto)
    );
    let both = json!({"nome": "a", "ids_projetos": [projeto], "id_projeto": Uuid::new_v4()});
    assert_eq!(
        app.post(PATH, both).await.expect(201)["id_projeto"],
        json!(projeto)
    );
}

#[tokio::test]
async fn projects_are_named_by_key_or_azure_guid() {
    let app = TestApp::new().await;
    let (id, external) = (Uuid::new_v4(), Uuid::new_v4());
    projeto_with_ids(&app.pool, id, external, "Legado").await;
    let other = projeto(&app.pool, "Outro").await;

    let created = app
        .post(PATH, json!({"nome": "x", "ids_projetos": [external, id]}))
        .await
        .expect(201);
    assert_eq!(created["projetos"], json!([{"id": id, "nome": "Legado"}]));
    let spelled = external.simple().to_string().to_uppercase();
    let updated = app
        .put(&path_of(&created), json!({"id_projeto": spelled}))
        .await
        .expect(200);
    assert_eq!(updated["projetos"], json!([{"id": id, "nome": "Legado"}]));

    create(&app, "y", other).await;
    for name in [id, external] {
        // D-24: the filter of the old service knew only one of the two.
        let listed = app.get(&format!("{PATH}?id_projeto={name}")).await.expect(200);
        assert_eq!(
            (&listed["total"], &listed["items"][0]["nome"]),
            (&json!(1), &json!("x"))
        );
    }
}

#[tokio::test]
async fn create_with_unknown_projects_names_them_and_stores_nothing() {
    let app = TestApp::new().await;
    let known = projeto(&app.pool, "P").await;
    let (x, y) = (Uuid::new_v4(), Uuid::new_v4());
    let problem = app
        .post(PATH, json!({"nome": "a", "ids_projetos": [x, known, y]}))
        .await
        .problem(400);
    assert_eq!(problem["detail"], format!("Projetos não encontrados: {x}, {y}"));
    assert_eq!(count(&app.pool, "atividades").await, 0);
}

#[tokio::test]
async fn all_failures_of_a_body_come_at_once() {
    let app = TestApp::new().await;
    let body = json!({"nome": "x".repeat(256), "descricao": 5, "ativo": "talvez", "ids_projetos": ["a", 7]});
    let reply = app.post(PATH, body).await;
    let expected = [
        "body.nome string_too_long",
        "body.descricao string_type",
        "body.ativo bool_parsing",
        "body.ids_projetos.0 uuid_parsing",
        "body.ids_projetos.1 uuid_parsing",
    ];
    assert_eq!(reply.failures(), expected);
    let detail = reply.json()["detail"].as_str().unwrap().to_owned();
    assert!(
        detail.contains("nome: deve ter no máximo 255 caracteres"),
        "{detail}"
    );
}

#[tokio::test]
async fn create_refuses_each_bad_body_with_422() {
    let app = TestApp::new().await;
    let p = projeto(&app.pool, "P").await;
    let cases = [
        (json!({}), vec!["body.nome missing", "body.ids_projetos missing"]),
        (
            json!({"nome": "a", "ids_projetos": null, "id_projeto": null}),
            vec!["body.ids_projetos missing"],
        ),
        (
            json!({"nome": "a", "ids_projetos": []}),
            vec!["body.ids_projetos too_short"],
        ),
        (
            json!({"nome": "a", "ids_projetos": vec![p; 1_001]}),
            vec!["body.ids_projetos too_long"],
        ),
        (
            json!({"nome": " \t\n ", "ids_projetos": [p]}),
            vec!["body.nome string_too_short"],
        ),
        (
            json!({"nome": "\u{200b}\u{1b}", "ids_projetos": [p]}),
            vec!["body.nome string_too_short"],
        ),
        (
            json!({"nome": null, "ids_projetos": [p]}),
            vec!["body.nome string_type"],
        ),
        (
            json!({"nome": "a\u{0}b", "ids_projetos": [p]}),
            vec!["body.nome value_error"],
        ),
        (
            json!({"nome": "a", "descricao": "\u{0}", "ids_projetos": [p]}),
            vec!["body.descricao value_error"],
        ),
        (
            json!({"nome": "a", "descricao": "x".repeat(100_001), "id_projeto": p}),
            vec!["body.descricao string_too_long"],
        ),
        (
            json!({"nome": "a", "ativo": null, "ids_projetos": [p]}),
            vec!["body.ativo bool_parsing"],
        ),
        (
            json!({"nome": "a", "id_projeto": "123"}),
            vec!["body.id_projeto uuid_parsing"],
        ),
        (json!(["a"]), vec!["body model_attributes_type"]),
    ];
    for (body, failures) in cases {
        assert_eq!(app.post(PATH, body.clone()).await.failures(), failures, "{body}");
    }
    assert_eq!(count(&app.pool, "atividades").await, 0);
}

#[tokio::test]
async fn the_longest_name_fits() {
    let app = TestApp::new().await;
    let p = projeto(&app.pool, "P").await;
    let nome = "ã".repeat(255);
    assert_eq!(create(&app, &nome, p).await["nome"], nome);
}

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
        json!({"items": [], "total": 3}),
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

#[tokio::test]
async fn update_applies_only_what_is_there() {
    let app = TestApp::new().await;
    let (p, q) = (projeto(&app.pool, "P").await, projeto(&app.pool, "Q").await);
    let created = app
        .post(PATH, json!({"nome": "a", "descricao": "d", "ids_projetos": [p]}))
        .await
        .expect(201);
    let path = path_of(&created);

    assert_eq!(
        app.put(&path, json!({})).await.expect(200),
        created,
        "an empty object changes nothing"
    );
    let same = json!({"nome": " a ", "descricao": "d", "ids_projetos": [p]});
    assert_eq!(
        app.put(&path, same).await.expect(200),
        created,
        "nor do equal values"
    );

    let renamed = app.put(&path, json!({"nome": " b "})).await.expect(200);
    assert_eq!(
        (&renamed["nome"], &renamed["descricao"]),
        (&json!("b"), &json!("d"))
    );
    assert!(renamed["atualizado_em"].as_str() > created["atualizado_em"].as_str());

    let moved = app.put(&path, json!({"ids_projetos": [q, p]})).await.expect(200);
    assert_eq!(
        moved["projetos"],
        json!([{"id": q, "nome": "Q"}, {"id": p, "nome": "P"}])
    );
    assert!(
        moved["atualizado_em"].as_str() > renamed["atualizado_em"].as_str(),
        "a change of projects counts"
    );

    let patched = app
        .send(Request::new(axum::http::Method::PATCH, &path).json(&json!({"descricao": null})))
        .await;
    let patched = patched.expect(200);
    assert_eq!(
        (&patched["descricao"], &patched["nome"]),
        (&Value::Null, &json!("b"))
    );

    // D-21: the single project is not ignored on update.
    let single = app
        .put(&path, json!({"id_projeto": p, "ids_projetos": null}))
        .await
        .expect(200);
    assert_eq!(single["projetos"], json!([{"id": p, "nome": "P"}]));
    assert_eq!(app.get(&path).await.expect(200), single);
}

#[tokio::test]
async fn update_refuses_null_and_leaves_everything_as_it_was() {
    let app = TestApp::new().await;
    let p = projeto(&app.pool, "P").await;
    let created = create(&app, "a", p).await;
    let path = path_of(&created);
    // D-22: these were 500.
    let nulls = app.put(&path, json!({"nome": null, "ativo": null})).await;
    assert_eq!(
        nulls.failures(),
        ["body.nome string_type", "body.ativo bool_parsing"]
    );
    assert_eq!(
        app.put(&path, json!({"ids_projetos": []})).await.failures(),
        ["body.ids_projetos too_short"]
    );
    let unknown = app
        .put(&path, json!({"nome": "b", "ids_projetos": [Uuid::nil()]}))
        .await
        .problem(400);
    assert_eq!(
        unknown["detail"],
        format!("Projetos não encontrados: {}", Uuid::nil())
    );
    assert_eq!(
        app.get(&path).await.expect(200),
        created,
        "the name was rolled back with the rest"
    );
}

#[tokio::test]
async fn a_missing_activity_is_404_before_anything_else() {
    let app = TestApp::new().await;
    let id = Uuid::new_v4();
    let path = format!("{PATH}/{id}");
    let text = format!("Atividade com ID {id} não encontrada");
    assert_eq!(app.get(&path).await.problem(404)["detail"], text);
    assert_eq!(
        app.put(&path, json!({"ids_projetos": [Uuid::nil()]}))
            .await
            .problem(404)["detail"],
        text
    );
    assert_eq!(app.delete(&path).await.problem(404)["detail"], text);
    // The id is told in its canonical spelling.
    let shouted = id.simple().to_string().to_uppercase();
    assert_eq!(
        app.get(&format!("{PATH}/{shouted}")).await.problem(404)["detail"],
        text
    );
    assert_eq!(
        app.get(&format!("{PATH}/abc")).await.failures(),
        ["path.atividade_id uuid_parsing"]
    );
}

#[tokio::test]
async fn delete_removes_the_activity_and_its_links() {
    let app = TestApp::new().await;
    let p = projeto(&app.pool, "P").await;
    let created = create(&app, "a", p).await;
    let reply = app.delete(&path_of(&created)).await;
    assert_eq!((reply.status.as_u16(), reply.bytes.len()), (204, 0));
    assert_eq!(count(&app.pool, "atividades").await, 0);
    assert_eq!(count(&app.pool, "atividade_projeto").await, 0);
    assert_eq!(count(&app.pool, "projetos").await, 1);
    app.delete(&path_of(&created)).await.problem(404);
}

#[tokio::test]
async fn delete_of_an_activity_in_use_is_409() {
    let app = TestApp::new().await;
    let p = projeto(&app.pool, "P").await;
    let created = create(&app, "a", p).await;
    // Time entries do not exist yet; anything that points at the activity stands for them.
    sqlx::raw_sql(
        "CREATE TABLE em_uso (id_atividade uuid REFERENCES atividades ON DELETE RESTRICT);
         INSERT INTO em_uso SELECT id FROM atividades",
    )
    .execute(&app.pool)
    .await
    .unwrap();
    // D-23: this was 500.
    let problem = app.delete(&path_of(&created)).await.problem(409);
    assert_eq!(problem["code"], "atividade_em_uso");
    assert_eq!(count(&app.pool, "atividades").await, 1);
}

#[tokio::test]
async fn concurrent_writes_never_fail() {
    let app = std::sync::Arc::new(TestApp::new().await);
    let mut projetos = Vec::new();
    for n in 0..4 {
        projetos.push(projeto(&app.pool, &format!("P{n}")).await);
    }
    let created = create(&app, "a", projetos[0]).await;
    let path = path_of(&created);
    let mut writes = JoinSet::new();
    for n in 0..24 {
        let (app, path) = (std::sync::Arc::clone(&app), path.clone());
        let mut ids = projetos.clone();
        ids.rotate_left(n % 4);
        writes.spawn(async move {
            let same = app
                .post(PATH, json!({"nome": "igual", "ids_projetos": ids}))
                .await
                .status
                .as_u16();
            // D-49: two writers of one set of links collided.
            let replaced = app
                .put(&path, json!({"ids_projetos": ids, "nome": format!("n{n}")}))
                .await
                .status
                .as_u16();
            (same, replaced)
        });
    }
    while let Some(statuses) = writes.join_next().await {
        assert_eq!(statuses.unwrap(), (201, 200));
    }
    assert_eq!(
        app.get(&path).await.expect(200)["projetos"]
            .as_array()
            .unwrap()
            .len(),
        4
    );
    assert_eq!(count(&app.pool, "atividades").await, 25);
}

#[tokio::test]
async fn concurrent_deletes_answer_204_once() {
    let app = std::sync::Arc::new(TestApp::new().await);
    let p = projeto(&app.pool, "P").await;
    let path = path_of(&create(&app, "a", p).await);
    let mut deletes = JoinSet::new();
    for _ in 0..8 {
        let (app, path) = (std::sync::Arc::clone(&app), path.clone());
        deletes.spawn(async move { app.delete(&path).await.status.as_u16() });
    }
    let mut statuses = deletes.join_all().await;
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 404, 404, 404, 404, 404, 404, 404]);
}
