//! What may be logged, and that it holds whatever happens at once.

use azure_devops_fake::{Fault, NewWorkItem};
use serde_json::json;
use uuid::Uuid;

use crate::support::logging::{PROJECT, day};
use crate::support::{Logging, Request, eventually};

#[tokio::test]
async fn create_with_many_failures_lists_all() {
    let logging = Logging::new().await;
    assert_eq!(
        logging.post(&json!({})).await.failures(),
        [
            "body.data_apontamento missing",
            "body.duracao missing",
            "body.id_atividade missing",
            "body.work_item_id missing",
            "body.project_id missing",
            "body.organization_name missing"
        ]
    );
    let wrong = json!({
        "data_apontamento": "2026-02-30", "duracao": "24:59", "id_atividade": "x", "comentario": "c".repeat(501),
        "work_item_id": -1, "project_id": "  ", "organization_name": "a/b", "usuario_id": 7
    });
    assert_eq!(
        logging.post(&wrong).await.failures(),
        [
            "body.data_apontamento date_from_datetime_parsing",
            "body.duracao value_error",
            "body.id_atividade uuid_parsing",
            "body.comentario string_too_long",
            "body.work_item_id greater_than_equal",
            "body.project_id string_too_short",
            "body.organization_name value_error",
            "body.usuario_id string_type"
        ]
    );
    let long = json!({"usuario_id": "u".repeat(256), "usuario_nome": "n".repeat(256), "duracao": "x"});
    assert_eq!(
        logging.post(&logging.body_with(&long)).await.failures(),
        [
            "body.duracao string_too_short",
            "body.usuario_id string_too_long",
            "body.usuario_nome string_too_long"
        ]
    );
    assert_eq!(logging.count().await, 0);
}

#[tokio::test]
async fn create_with_one_wrong_value_names_its_rule() {
    let logging = Logging::new().await;
    for (key, value, failure) in [
        ("duracao", json!("8:5"), "string_too_short"),
        ("duracao", json!("08:00\n"), "string_too_long"),
        ("duracao", json!("٨:٠٠"), "value_error"),
        ("duracao", json!(8), "string_type"),
        ("duracao", json!("00:00"), "value_error"),
        ("work_item_id", json!(2_147_483_648_i64), "less_than_equal"),
        ("work_item_id", json!("1e99"), "int_parsing"),
        ("work_item_id", json!(1.5), "int_from_float"),
        ("comentario", json!("a\0b"), "value_error"),
        ("project_id", json!("p".repeat(256)), "string_too_long"),
        ("usuario_nome", json!("n".repeat(256)), "string_too_long"),
        (
            "data_apontamento",
            json!("2026-01-12T10:00:00Z"),
            "date_from_datetime_inexact",
        ),
    ] {
        let mut changes = json!({});
        changes[key] = value;
        let failures = logging.post(&logging.body_with(&changes)).await.failures();
        assert_eq!(failures, [format!("body.{key} {failure}")]);
    }
    assert_eq!(logging.count().await, 0);
}

/// Midnight wherever the client is, is a day.
#[tokio::test]
async fn create_takes_an_instant_at_midnight_as_a_day() {
    let logging = Logging::new().await;
    for day in [
        json!("2026-01-12T00:00:00-03:00"),
        json!("2026-01-12T00:00:00Z"),
        json!("2026-01-12T00:00"),
    ] {
        let body = logging.body_with(&json!({"data_apontamento": day, "duracao": "00:01"}));
        let entry = logging.post(&body).await.expect(201);
        assert_eq!(entry["data_apontamento"], "2026-01-12");
    }
    let evening = logging.body_with(&json!({"data_apontamento": "2026-01-11T21:00:00-03:00"}));
    assert_eq!(
        logging.post(&evening).await.failures(),
        ["body.data_apontamento date_from_datetime_inexact"]
    );
}

#[tokio::test]
async fn update_with_nulls_is_refused() {
    let logging = Logging::new().await;
    let entry = logging.log("01:00").await;
    let nulls = json!({"duracao": null, "data_apontamento": null, "id_atividade": null});
    assert_eq!(
        logging.put(&entry, &nulls).await.failures(),
        [
            "body.data_apontamento date_from_datetime_parsing",
            "body.duracao string_type",
            "body.id_atividade uuid_parsing"
        ]
    );
}

#[tokio::test]
async fn future_day_is_refused_unless_allowed() {
    let logging = Logging::new().await;
    let tomorrow = logging.body_with(&json!({"data_apontamento": day(1)}));
    let refused = logging.post(&tomorrow).await.problem(422);
    assert_eq!(refused["code"], "data_futura");
    assert_eq!(refused["errors"][0]["loc"], json!(["body", "data_apontamento"]));
    let entry = logging.log("01:00").await;
    let moved = logging.put(&entry, &json!({"data_apontamento": day(1)})).await;
    assert_eq!(moved.problem(422)["code"], "data_futura");

    let allowed = Logging::with(&[("ALLOW_FUTURE_ENTRIES", "true")]).await;
    let tomorrow = allowed.body_with(&json!({"data_apontamento": day(1)}));
    allowed.post(&tomorrow).await.expect(201);
}

#[tokio::test]
async fn d_30_day_above_its_limit_is_refused() {
    let logging = Logging::with(&[("MAX_MINUTES_PER_DAY", "480")]).await;
    let first = logging.log("05:00").await;
    let second = logging.log("03:00").await;
    let refused = logging
        .post(&logging.body_with(&json!({"duracao": "00:01"})))
        .await
        .problem(422);
    assert_eq!(refused["code"], "limite_diario");
    let today = chrono::NaiveDate::parse_from_str(&Logging::today(), "%Y-%m-%d")
        .unwrap()
        .format("%d/%m/%Y");
    assert_eq!(
        refused["detail"],
        format!("O dia {today} passaria a ter 08:01 apontadas; o limite diário é 08:00")
    );
    // Nothing of the refused one is left: neither the row nor its mark in the outbox.
    assert_eq!(logging.count().await, 2);
    assert_eq!(logging.azure().hours(logging.item).0, Some(11.5));
    // Within the day there is room to move, another day has its own.
    logging
        .put(&first, &json!({"duracao": "05:01"}))
        .await
        .problem(422);
    logging
        .put(&second, &json!({"duracao": "02:00"}))
        .await
        .expect(200);
    logging
        .put(&first, &json!({"duracao": "06:00"}))
        .await
        .expect(200);
    let yesterday = logging.body_with(&json!({"data_apontamento": day(-1), "duracao": "07:00"}));
    logging.post(&yesterday).await.expect(201);
    let moved = logging.put(&second, &json!({"data_apontamento": day(-1)})).await;
    assert_eq!(moved.problem(422)["code"], "limite_diario");
    logging.delete(&first).await.expect(204);
    logging.log("06:00").await;
    // Another person's day is another day.
    logging
        .post_as(
            &logging.tenants.admin,
            &logging.body_with(&json!({"duracao": "08:00"})),
        )
        .await
        .expect(201);
}

/// The limit is compared with a count that a trigger keeps.
#[tokio::test]
async fn day_total_matches_entries_after_any_change() {
    let logging = Logging::new().await;
    let pool = &logging.tenants.app.pool;
    for (n, duracao) in ["00:10", "00:20", "01:00"].into_iter().enumerate() {
        let data = day(if n == 0 { -1 } else { 0 });
        let body = logging.body_with(&json!({"duracao": duracao, "data_apontamento": data}));
        logging.post(&body).await.expect(201);
    }
    for change in [
        "UPDATE apontamentos SET minutos = minutos + 7",
        "UPDATE apontamentos SET data_apontamento = data_apontamento - 1, minutos = minutos * 2 WHERE minutos < 60",
        "UPDATE apontamentos SET organizacao = 'fabrikam',
         id_projeto = (SELECT id FROM projetos WHERE organizacao = 'fabrikam')
          WHERE minutos > 60",
        "UPDATE apontamentos SET comentario = 'c', usuario_id = 'ana'",
        "DELETE FROM apontamentos WHERE organizacao = 'fabrikam'",
        "DELETE FROM apontamentos",
    ] {
        sqlx::query(change).execute(pool).await.unwrap();
        let wrong: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM (
                 SELECT organizacao, usuario_id, data, minutos::bigint FROM minutos_do_dia WHERE minutos <> 0
                 EXCEPT ALL
                 SELECT organizacao, usuario_id, data_apontamento, sum(minutos) FROM apontamentos
                  GROUP BY 1, 2, 3) AS more",
        )
        .fetch_one(pool)
        .await
        .unwrap();
        let counted = "SELECT coalesce((SELECT sum(minutos) FROM minutos_do_dia), 0)
                            = coalesce((SELECT sum(minutos) FROM apontamentos), 0)";
        let all: bool = sqlx::query_scalar(counted).fetch_one(pool).await.unwrap();
        assert_eq!((wrong, all), (0, true), "{change}");
    }
}

#[tokio::test]
async fn fifty_simultaneous_hours_fill_a_day_of_eight() {
    let logging = Logging::with(&[("MAX_MINUTES_PER_DAY", "480")]).await;
    let body = logging.body();
    let posts = (0..50).map(|_| logging.post(&body));
    let replies = futures_util::future::join_all(posts).await;
    let made = replies.iter().filter(|reply| reply.status == 201).count();
    for reply in replies.iter().filter(|reply| reply.status != 201) {
        assert_eq!(reply.problem(422)["code"], "limite_diario");
    }
    assert_eq!(made, 8);
    assert_eq!(logging.count().await, 8);
    while logging.write_due().await > 0 {}
    assert_eq!(logging.azure().hours(logging.item).0, Some(11.5));
}

#[tokio::test]
async fn two_entries_swapping_days_do_not_deadlock() {
    let logging = Logging::new().await;
    let today = logging.log("01:00").await;
    let yesterday = logging
        .post(&logging.body_with(&json!({"data_apontamento": day(-1)})))
        .await
        .expect(201);
    for round in 0..10 {
        let (there, back) = (day(-(round % 2)), day((round % 2) - 1));
        let (forth, back) = (
            json!({"data_apontamento": back}),
            json!({"data_apontamento": there}),
        );
        let (a, b) = tokio::join!(logging.put(&today, &forth), logging.put(&yesterday, &back));
        a.expect(200);
        b.expect(200);
    }
}

#[tokio::test]
async fn d_36_writes_on_closed_items_are_refused_by_category() {
    let logging = Logging::new().await;
    let entry = logging.log("01:00").await;
    // Names mean nothing: here "Entregue" is open and "Quase" is closed.
    logging.azure().edit_work_items("contoso", |items| {
        items.add_state("Task", "Quase", "Completed");
        items.add_state("Task", "Entregue", "InProgress");
    });
    let set_state = |state: &str| {
        logging.azure().edit_work_items("contoso", |items| {
            items.edit(logging.item, "System.State", json!(state));
        });
    };
    for (state, code, detail) in [
        (
            "Quase",
            "work_item_fechado",
            "Não é possível lançar horas em Work Item fechado (estado: Quase)",
        ),
        (
            "Done",
            "work_item_fechado",
            "Não é possível lançar horas em Work Item fechado (estado: Done)",
        ),
        (
            "Removed",
            "work_item_cancelado",
            "Não é possível lançar horas em Work Item cancelado (estado: Removed)",
        ),
    ] {
        set_state(state);
        for reply in [
            logging.post(&logging.body()).await,
            logging.put(&entry, &json!({"duracao": "00:30"})).await,
            logging.delete(&entry).await,
        ] {
            let refused = reply.problem(422);
            assert_eq!(
                (&refused["code"], &refused["detail"]),
                (&json!(code), &json!(detail))
            );
        }
    }
    for state in ["To Do", "Doing", "Testing", "Entregue"] {
        set_state(state);
        logging.log("00:01").await;
    }
    // A new state is asked about once; then types are remembered.
    assert_eq!(logging.azure().count("list_types"), 2);
    // A state that even its type does not know closes the door.
    set_state("Impossible");
    assert_eq!(
        logging.post(&logging.body()).await.problem(422)["code"],
        "estado_desconhecido"
    );
}

#[tokio::test]
async fn create_on_other_type_or_project_is_refused() {
    let logging = Logging::new().await;
    let add = |new| logging.azure().work_item("contoso", new);
    let bug = add(NewWorkItem::task(PROJECT).of_type("Bug"));
    logging
        .post(&logging.body_with(&json!({"work_item_id": bug})))
        .await
        .expect(201);
    let epic = add(NewWorkItem::task(PROJECT).of_type("Epic"));
    let refused = logging
        .post(&logging.body_with(&json!({"work_item_id": epic})))
        .await
        .problem(422);
    assert_eq!(refused["code"], "tipo_de_work_item");
    assert_eq!(
        refused["detail"],
        "Não é possível lançar horas em Work Item do tipo Epic (permitidos: Task, Bug)"
    );
    let elsewhere = add(NewWorkItem::task("Another"));
    for missing in [elsewhere, 99] {
        let refused = logging
            .post(&logging.body_with(&json!({"work_item_id": missing})))
            .await
            .problem(404);
        assert_eq!(refused["detail"], format!("Work Item {missing} não encontrado"));
    }
    let entry = logging.log("01:00").await;
    logging
        .azure()
        .edit_work_items("contoso", |items| items.delete(logging.item));
    logging
        .put(&entry, &json!({"duracao": "02:00"}))
        .await
        .problem(404);
}

#[tokio::test]
async fn d_12_unreadable_item_is_refused_unless_configured() {
    for (fault, status) in [
        (Fault::Status(503, None), 503),
        (Fault::Status(500, None), 502),
        (Fault::Hang, 504),
        (Fault::SignIn, 502),
    ] {
        // A breaker that opens in one round would answer in the next one.
        let logging = Logging::new().await;
        let entry = logging.log("01:00").await;
        logging.azure().fault("contoso", "read_work_item", fault);
        logging.post(&logging.body()).await.problem(status);
        assert_eq!(logging.count().await, 1);
        if status == 504 {
            logging
                .put(&entry, &json!({"duracao": "02:00"}))
                .await
                .problem(status);
            logging.delete(&entry).await.problem(status);
        }
    }

    let lenient = Logging::with(&[("ENTRY_WHEN_UPSTREAM_DOWN", "accept")]).await;
    // Away is away; an answer that says no is an answer.
    lenient
        .azure()
        .fault_times("contoso", "read_work_item", Fault::HalfJson, 1);
    lenient.post(&lenient.body()).await.problem(502);
    lenient.azure().edit_work_items("contoso", |items| {
        items.edit(lenient.item, "System.State", json!("Impossible"));
    });
    lenient.post(&lenient.body()).await.problem(422);
    lenient.azure().edit_work_items("contoso", |items| {
        items.edit(lenient.item, "System.State", json!("Doing"));
    });
    lenient
        .azure()
        .fault("contoso", "read_work_item", Fault::Status(503, None));
    let entry = lenient.log("01:00").await;
    assert_eq!(entry["sincronizacao"]["estado"], "pendente");
    lenient.azure().heal();
    eventually("it is written later", async || {
        lenient.write_due().await;
        lenient.azure().hours(lenient.item).0 == Some(4.5)
    })
    .await;
}

#[tokio::test]
async fn activity_must_exist_be_active_and_belong_to_the_project() {
    let logging = Logging::new().await;
    let member = &logging.tenants.member;
    let second = logging.azure().projects("contoso", 2)[1].id;
    let sync = Request::post("/api/v1/integracao/sincronizar").bearer(&logging.tenants.admin);
    logging.tenants.app.send(sync).await.expect(200);
    let of_second = logging.tenants.atividade(member, "Outra", &[second]).await;
    let foreign = logging
        .tenants
        .atividade(&logging.tenants.other, "Deles", &[logging.tenants.foreign])
        .await;
    let unknown = Uuid::new_v4();
    let set_active = async |ativo: bool| {
        let request = Request::put(&format!("/api/v1/atividades/{}", logging.atividade))
            .bearer(member)
            .json(&json!({"ativo": ativo}));
        logging.tenants.app.send(request).await.expect(200);
    };
    let entry = logging.log("01:00").await;
    set_active(false).await;
    for (atividade, detail) in [
        (unknown, format!("Atividade não encontrada: {unknown}")),
        (foreign, format!("Atividade não encontrada: {foreign}")),
        (
            logging.atividade,
            format!("Atividade inativa: {}", logging.atividade),
        ),
        (
            of_second,
            format!("Atividade não pertence ao projeto: {of_second}"),
        ),
    ] {
        let body = logging.body_with(&json!({"id_atividade": atividade}));
        assert_eq!(logging.post(&body).await.problem(400)["detail"], detail);
    }
    // D-35: one that stays may be inactive meanwhile; the frontend sends it with every change.
    let same = json!({"duracao": "02:00", "id_atividade": logging.atividade});
    assert_eq!(logging.put(&entry, &same).await.expect(200)["duracao"], "02:00");
    let other = json!({"id_atividade": of_second});
    logging.put(&entry, &other).await.problem(400);
    set_active(true).await;
    // D-23: one in use cannot be removed.
    let remove = Request::delete(&format!("/api/v1/atividades/{}", logging.atividade)).bearer(member);
    assert_eq!(
        logging.tenants.app.send(remove).await.problem(409)["code"],
        "atividade_em_uso"
    );
}
