//! `Idempotency-Key`: a request that is sent again has one effect and one answer.

use azure_devops_fake::Fault;
use serde_json::{Value, json};

use crate::support::data::{PATIENT, count};
use crate::support::logging::{APONTAMENTOS, day};
use crate::support::{Logging, Reply, Request, TestApp, TestDatabase, eventually};

async fn post(logging: &Logging, token: &str, key: &str, body: &Value) -> Reply {
    post_to(&logging.tenants.app, token, key, body).await
}

async fn post_to(replica: &TestApp, token: &str, key: &str, body: &Value) -> Reply {
    let request = Request::post(APONTAMENTOS)
        .bearer(token)
        .header("idempotency-key", key)
        .json(body);
    replica.send(request).await
}

#[tokio::test]
async fn repeated_request_gets_the_entry_as_it_is_now() {
    let logging = Logging::new().await;
    let member = &logging.tenants.member;
    let first = post(&logging, member, "\"k-1\"", &logging.body()).await;
    first.expect(201);
    assert_eq!(first.header("idempotency-replayed"), "");
    let entry = first.json();
    let changed = logging.put(&entry, &json!({"duracao": "03:00"})).await;
    changed.expect(200);
    // Neither does the spelling of the request matter.
    let spelt = logging.body_with(&json!({"duracao": "1:00", "organization_name": "CONTOSO"}));
    for (key, body) in [("\"k-1\"", logging.body()), ("k-1", spelt)] {
        let again = post(&logging, member, key, &body).await;
        assert_eq!(again.status.as_u16(), 201);
        assert_eq!(again.json(), changed.json());
        assert_eq!(again.header("idempotency-replayed"), "true");
        assert_eq!(again.header("location"), first.header("location"));
        assert_eq!(again.header("etag"), changed.header("etag"));
    }
    assert_eq!(logging.count().await, 1);
    assert_eq!(logging.azure().hours(logging.item).0, Some(6.5));
}

#[tokio::test]
async fn repeated_request_of_a_deleted_entry_is_a_conflict() {
    let logging = Logging::new().await;
    let member = &logging.tenants.member;
    let entry = post(&logging, member, "k", &logging.body()).await.expect(201);
    logging.delete(&entry).await.expect(204);
    let refused = post(&logging, member, "k", &logging.body()).await.problem(409);
    assert_eq!(refused["code"], "apontamento_excluido");
    assert_eq!(logging.count().await, 0);
}

/// A rolling upgrade: the release before this one stored the answer as text.
#[tokio::test]
async fn key_of_the_release_before_names_its_entry() {
    let logging = Logging::new().await;
    let (member, pool) = (&logging.tenants.member, &logging.tenants.app.pool);
    let entry = post(&logging, member, "k", &logging.body()).await.expect(201);
    sqlx::query(
        "UPDATE idempotencia SET resposta = jsonb_build_object('id', apontamento_id)::text, apontamento_id = NULL",
    )
    .execute(pool)
    .await
    .unwrap();
    let again = post(&logging, member, "k", &logging.body()).await.expect(201);
    assert_eq!(again["id"], entry["id"]);
    assert_eq!(logging.count().await, 1);
}

#[tokio::test]
async fn key_reuse_with_other_content_is_refused() {
    let logging = Logging::new().await;
    let member = &logging.tenants.member;
    post(&logging, member, "k", &logging.body()).await.expect(201);
    for other in [
        json!({"duracao": "02:00"}),
        json!({"comentario": "c"}),
        json!({"data_apontamento": day(-1)}),
    ] {
        let refused = post(&logging, member, "k", &logging.body_with(&other))
            .await
            .problem(422);
        assert_eq!(refused["code"], "chave_reutilizada");
    }
    post(&logging, &logging.tenants.admin, "k", &logging.body())
        .await
        .expect(201);
    assert_eq!(logging.count().await, 2);
    for bad in ["a b", "\"open", &"k".repeat(256)] {
        assert_eq!(
            post(&logging, member, bad, &logging.body()).await.failures(),
            ["header.Idempotency-Key value_error"]
        );
    }
}

#[tokio::test]
async fn fifty_equal_requests_at_once_create_one_entry() {
    let logging = Logging::new().await;
    let (member, body) = (&logging.tenants.member, logging.body());
    let posts = (0..50).map(|_| post(&logging, member, "k", &body));
    let replies = futures_util::future::join_all(posts).await;
    let mut ids: Vec<Value> = Vec::new();
    for reply in &replies {
        match reply.status.as_u16() {
            201 => ids.push(reply.json()["id"].clone()),
            _ => assert_eq!(reply.problem(409)["code"], "requisicao_em_andamento"),
        }
    }
    ids.dedup();
    assert_eq!((ids.len(), logging.count().await), (1, 1), "one entry");
    while logging.write_due().await > 0 {}
    assert_eq!(logging.azure().hours(logging.item).0, Some(4.5));
    post(&logging, member, "k", &body).await.expect(201);
}

#[tokio::test]
async fn request_in_flight_makes_repeats_conflict() {
    let logging = Logging::with(&PATIENT).await;
    let member = &logging.tenants.member;
    // The first one waits for the day's row.
    let mut blocker = logging.tenants.app.pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE minutos_do_dia IN ACCESS EXCLUSIVE MODE")
        .execute(&mut *blocker)
        .await
        .unwrap();
    let body = logging.body();
    let first = post(&logging, member, "k", &body);
    let second = async {
        eventually("the first one waits", async || {
            sqlx::query_scalar::<_, i64>(
                "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'minutos_do_dia'::regclass",
            )
            .fetch_one(&mut *blocker)
            .await
            .unwrap()
                > 0
        })
        .await;
        let refused = post(&logging, member, "k", &body).await;
        assert_eq!(refused.problem(409)["code"], "requisicao_em_andamento");
        assert_eq!(refused.header("retry-after"), "1");
        blocker.rollback().await.unwrap();
    };
    let (first, ()) = tokio::join!(first, second);
    first.expect(201);
    post(&logging, member, "k", &body).await.expect(201);
    assert_eq!(logging.count().await, 1);
}

/// One request is still asking Azure DevOps when another one of its key, at another replica, is done.
#[tokio::test]
async fn request_overtaken_under_its_key_gets_the_stored_entry() {
    // However slow the machine: what is held must not give up by itself.
    let logging = Logging::with(&[("AZURE_DEVOPS_TIMEOUT_MS", "60000")]).await;
    let member = &logging.tenants.member;
    let fast = logging.tenants.app.replica();
    // It remembers the types of work items.
    post_to(&fast, member, "warm", &logging.body()).await.expect(201);
    let whole_day = logging.body_with(&json!({"data_apontamento": day(-1), "duracao": "24:00"}));
    let another = logging.body_with(&json!({"duracao": "00:30"}));
    let cases = [
        ("equal", logging.body(), logging.body(), 201),
        // The day is full by then, but with this very entry.
        ("full", whole_day.clone(), whole_day, 201),
        ("other", logging.body(), another, 422),
    ];
    for (key, body, rivals, status) in cases {
        let slow = logging.tenants.app.replica();
        let before = logging.azure().count("list_types");
        let held = logging.azure().hold_operation("contoso", "list_types");
        let overtaken = post_to(&slow, member, key, &body);
        let overtaking = async {
            eventually("the first one asks Azure DevOps", async || {
                logging.azure().count("list_types") > before
            })
            .await;
            let first = post_to(&fast, member, key, &rivals).await;
            first.expect(201);
            drop(held);
            first
        };
        let entries = logging.count().await;
        let (reply, first) = tokio::join!(overtaken, overtaking);
        assert_eq!(logging.count().await, entries + 1, "{key}");
        if status == 201 {
            assert_eq!(
                (reply.status.as_u16(), &reply.bytes),
                (201, &first.bytes),
                "{key}"
            );
            assert_eq!(reply.header("idempotency-replayed"), "true");
        } else {
            assert_eq!(reply.problem(status)["code"], "chave_reutilizada");
        }
    }
}

#[tokio::test]
async fn repeat_of_a_now_refused_request_gets_the_entry() {
    let logging = Logging::new().await;
    let member = &logging.tenants.member;
    let first = post(&logging, member, "k", &logging.body()).await;
    first.expect(201);
    let item = logging.item;
    logging.azure().edit_work_items("contoso", |items| {
        items.edit(item, "System.State", json!("Done"));
    });
    // A replica that remembers nothing of the work item.
    let cold = logging.tenants.app.replica();
    let refused = post_to(&cold, member, "another", &logging.body()).await;
    assert_eq!(refused.problem(422)["code"], "work_item_fechado");
    let again = post_to(&cold, member, "k", &logging.body()).await;
    assert_eq!((again.status.as_u16(), &again.bytes), (201, &first.bytes));
    assert_eq!(again.header("idempotency-replayed"), "true");

    let colder = logging.tenants.app.replica();
    logging
        .azure()
        .fault_times("contoso", "read_work_item", Fault::Status(500, None), 3);
    let again = post_to(&colder, member, "k", &logging.body()).await;
    assert_eq!((again.status.as_u16(), &again.bytes), (201, &first.bytes));
    assert_eq!(logging.count().await, 1);
}

#[tokio::test]
async fn refused_request_frees_its_key_and_a_day_expires_it() {
    let logging = Logging::new().await;
    let (member, pool) = (&logging.tenants.member, &logging.tenants.app.pool);
    logging
        .azure()
        .fault_times("contoso", "read_work_item", Fault::Status(500, None), 3);
    post(&logging, member, "k", &logging.body()).await.problem(502);
    let full = logging.body_with(&json!({"data_apontamento": day(1)}));
    post(&logging, member, "k", &full).await.problem(422);
    assert_eq!(count(pool, "idempotencia").await, 0);
    post(&logging, member, "k", &logging.body()).await.expect(201);

    let age = |hours: f64| {
        let sql = format!("UPDATE idempotencia SET criado_em = now() - interval '{hours} hours'");
        let pool = pool.clone();
        async move {
            sqlx::query(sqlx::AssertSqlSafe(sql))
                .execute(&pool)
                .await
                .unwrap();
        }
    };
    age(23.9).await;
    post(&logging, member, "k", &logging.body()).await.expect(201);
    assert_eq!(logging.count().await, 1);
    age(24.1).await;
    post(&logging, member, "k", &logging.body()).await.expect(201);
    assert_eq!(logging.count().await, 2);
    age(24.1).await;
    let service = &logging.tenants.app.app.apontamentos;
    assert_eq!(service.delete_expired_keys().await.unwrap(), 1);
    assert_eq!(count(pool, "idempotencia").await, 0);
}

#[tokio::test]
async fn repeated_request_has_the_current_write_back_state() {
    let logging = Logging::with(&[("WRITEBACK_BUDGET", "0.6")]).await;
    let member = &logging.tenants.member;
    logging
        .azure()
        .fault_times("contoso", "update_work_item", Fault::Hang, 1);
    let first = post(&logging, member, "k", &logging.body()).await.expect(201);
    assert_eq!(first["sincronizacao"]["estado"], "pendente");
    eventually("the hours are written", async || {
        logging.write_due().await;
        let again = post(&logging, member, "k", &logging.body()).await.expect(201);
        again["sincronizacao"]["estado"] == "sincronizado"
    })
    .await;
    assert_eq!(logging.count().await, 1);
}

/// A plan that is made while no answer is kept serves thousands of them.
#[tokio::test]
async fn key_is_looked_up_by_its_index_after_a_quiet_night() {
    let database = TestDatabase::new().await;
    let pool = database.pool().await;
    sqlx::raw_sql(
        "INSERT INTO idempotencia (organizacao, usuario_id, chave, impressao, apontamento_id)
         SELECT 'contoso', 'ana', n::text, repeat('x', 100)::bytea, gen_random_uuid() FROM generate_series(1, 3000) n;
         DELETE FROM idempotencia",
    )
    .execute(&pool)
    .await
    .unwrap();
    // VACUUM gives pages back only where no other transaction might still see the rows.
    eventually("the deleted rows are gone", async || {
        sqlx::raw_sql("VACUUM idempotencia").execute(&pool).await.unwrap();
        let left = "SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'idempotencia'";
        sqlx::query_scalar::<_, i64>(left).fetch_one(&pool).await.unwrap() == 0
    })
    .await;
    let mut conn = pool.acquire().await.unwrap();
    sqlx::raw_sql(
        "SET plan_cache_mode = force_generic_plan;
         PREPARE by_key (text, text, text) AS
             SELECT FROM idempotencia WHERE organizacao = $1 AND usuario_id = $2 AND chave = $3",
    )
    .execute(&mut *conn)
    .await
    .unwrap();
    let plan: Vec<String> = sqlx::query_scalar("EXPLAIN EXECUTE by_key ('contoso', 'ana', '1')")
        .fetch_all(&mut *conn)
        .await
        .unwrap();
    assert!(plan.join("\n").contains("using idempotencia_pkey"), "{plan:#?}");
}

/// A POST that creates an object, and the table in which the object is.
struct Creation {
    path: &'static str,
    table: &'static str,
    body: Value,
    other: Value,
}

impl Creation {
    async fn send(&self, logging: &Logging, token: &str, body: &Value) -> Reply {
        let request = Request::post(self.path)
            .bearer(token)
            .header("idempotency-key", self.table)
            .json(body);
        logging.tenants.app.send(request).await
    }
}

fn creations(logging: &Logging) -> [Creation; 2] {
    let projeto = logging.tenants.projeto;
    let stored = &logging.tenants.service_pat;
    let pat = |text: &str| json!({"organization_name": "contoso", "pat": stored, "descricao": text});
    [
        Creation {
            path: "/api/v1/atividades",
            table: "atividades",
            body: json!({"nome": "Revisão", "ids_projetos": [projeto]}),
            other: json!({"nome": "Outra", "ids_projetos": [projeto]}),
        },
        Creation {
            path: "/api/v1/organization-pats",
            table: "organization_pats",
            body: pat("Equipe"),
            other: pat("Outra"),
        },
    ]
}

#[tokio::test]
async fn repeated_creation_gets_the_same_object() {
    let logging = Logging::new().await;
    let admin = &logging.tenants.admin;
    for creation in creations(&logging) {
        let first = creation.send(&logging, admin, &creation.body).await;
        let id = first.expect(201)["id"].clone();
        let stored = count(&logging.tenants.app.pool, creation.table).await;
        let again = creation.send(&logging, admin, &creation.body).await;
        assert_eq!(again.expect(201)["id"], id, "{}", creation.path);
        assert_eq!(again.header("idempotency-replayed"), "true");
        assert_eq!(again.header("location"), first.header("location"));
        let refused = creation.send(&logging, admin, &creation.other).await.problem(422);
        assert_eq!(refused["code"], "chave_reutilizada");
        assert_eq!(count(&logging.tenants.app.pool, creation.table).await, stored);
        let path = format!("{}/{}", creation.path, id.as_str().unwrap());
        logging
            .tenants
            .app
            .send(Request::delete(&path).bearer(admin))
            .await;
        let gone = creation.send(&logging, admin, &creation.body).await.problem(409);
        assert_eq!(gone["code"], "objeto_excluido");
    }
}

#[tokio::test]
async fn key_of_a_creation_is_the_callers_own() {
    let logging = Logging::new().await;
    let [atividade, _] = creations(&logging);
    let of_admin = atividade
        .send(&logging, &logging.tenants.admin, &atividade.body)
        .await;
    let of_member = atividade
        .send(&logging, &logging.tenants.member, &atividade.body)
        .await;
    assert_ne!(of_admin.expect(201)["id"], of_member.expect(201)["id"]);
}

#[tokio::test]
async fn simultaneous_creations_with_one_key_make_one_object() {
    let logging = Logging::new().await;
    let [atividade, _] = creations(&logging);
    let before = count(&logging.tenants.app.pool, "atividades").await;
    let member = &logging.tenants.member;
    let replies =
        futures_util::future::join_all((0..8).map(|_| atividade.send(&logging, member, &atividade.body)))
            .await;
    let ids: Vec<Value> = replies
        .iter()
        .filter(|reply| reply.status.as_u16() == 201)
        .map(|reply| reply.json()["id"].clone())
        .collect();
    assert!(ids.iter().all(|id| *id == ids[0]) && !ids.is_empty());
    for refused in replies.iter().filter(|reply| reply.status.as_u16() != 201) {
        assert_eq!(refused.problem(409)["code"], "requisicao_em_andamento");
    }
    assert_eq!(count(&logging.tenants.app.pool, "atividades").await, before + 1);
}
