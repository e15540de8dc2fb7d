//! Days of entries: the oldest one that takes hours, numbers that are no days, and the ends of the calendar.

use chrono::NaiveDate;
use serde_json::{Value, json};

use crate::support::Logging;
use crate::support::Request;
use crate::support::logging::{APONTAMENTOS, day, path};

/// An entry of one hour on this day.
fn on(logging: &Logging, day: &Value) -> Value {
    logging.body_with(&json!({"data_apontamento": day}))
}

#[tokio::test]
async fn create_on_too_old_a_day_is_refused() {
    let logging = Logging::with(&[("ENTRY_MAX_AGE_DAYS", "30")]).await;
    let refused = logging.post(&on(&logging, &json!(day(-31)))).await.problem(422);
    assert_eq!(refused["code"], "data_antiga");
    assert_eq!(refused["errors"][0]["loc"], json!(["body", "data_apontamento"]));
    let oldest: NaiveDate = day(-30).parse().unwrap();
    let oldest = oldest.format("%d/%m/%Y");
    assert_eq!(
        refused["detail"],
        format!("Não é possível apontar horas em uma data anterior a {oldest}")
    );
    logging.post(&on(&logging, &json!(day(-30)))).await.expect(201);
}

#[tokio::test]
async fn create_takes_two_years_unless_configured() {
    // A blank variable counts as none.
    let logging = Logging::with(&[("ENTRY_MAX_AGE_DAYS", "")]).await;
    logging.post(&on(&logging, &json!(day(-731)))).await.expect(201);
    for old in [day(-732).as_str(), "0001-01-01", "1753-01-01", "1900-01-01"] {
        let refused = logging.post(&on(&logging, &json!(old))).await.problem(422);
        assert_eq!(refused["code"], "data_antiga", "{old}");
    }
    assert_eq!(logging.count().await, 1);
}

#[tokio::test]
async fn entry_on_an_old_day_can_still_be_changed() {
    let logging = Logging::new().await;
    let entry = logging
        .post(&on(&logging, &json!("2020-02-29")))
        .await
        .expect(201);
    let stricter = logging.tenants.app.replica_with("ENTRY_MAX_AGE_DAYS", "30");
    let (member, path) = (&logging.tenants.member, path(&entry));
    let put = async |changes: Value| {
        let request = Request::put(&path).bearer(member).json(&changes);
        stricter.send(request).await
    };
    assert_eq!(
        stricter.get_as(member, &path).await.expect(200)["id"],
        entry["id"]
    );
    let changes = json!({"duracao": "02:00", "comentario": "Antigo", "data_apontamento": "2020-02-29"});
    assert_eq!(put(changes).await.expect(200)["comentario"], "Antigo");
    for old in ["2020-02-28", "2020-03-01", "0001-01-01"] {
        let refused = put(json!({"data_apontamento": old})).await.problem(422);
        assert_eq!(refused["code"], "data_antiga", "{old}");
    }
    put(json!({"data_apontamento": day(0)})).await.expect(200);
    let back = put(json!({"data_apontamento": "2020-02-29"})).await;
    assert_eq!(back.problem(422)["code"], "data_antiga");
    let delete = Request::delete(&path).bearer(member);
    stricter.send(delete).await.expect(204);
}

#[tokio::test]
async fn number_is_no_day() {
    let logging = Logging::new().await;
    let entry = logging.log("01:00").await;
    let failure = "body.data_apontamento date_from_datetime_parsing";
    for number in [
        json!(0),
        json!(1_700_000_000),
        json!(1_768_176_000),
        json!(1_768_176_000.0),
        json!(-86_400),
        json!("0"),
        json!("1700000000"),
        json!("1768176000"),
        json!(true),
    ] {
        let created = logging.post(&on(&logging, &number)).await.failures();
        assert_eq!(created, [failure], "{number}");
        let changed = logging.put(&entry, &json!({"data_apontamento": number})).await;
        assert_eq!(changed.failures(), [failure], "{number}");
    }
    for number in ["0", "1768176000"] {
        let listed = logging.get(&format!("{APONTAMENTOS}?data_inicio={number}")).await;
        let failure = "query.data_inicio date_from_datetime_parsing";
        assert_eq!(listed.failures(), [failure]);
    }
}

#[tokio::test]
async fn filters_take_the_ends_of_the_calendar() {
    let logging = Logging::new().await;
    logging.log("01:00").await;
    for (from, to, total) in [
        ("0001-01-01", "9999-12-31", 1),
        ("0001-01-01", "0001-01-01", 0),
        ("9999-12-31", "9999-12-31", 0),
        ("9999-12-31", "0001-01-01", 0),
    ] {
        let list = format!("{APONTAMENTOS}?data_inicio={from}&data_fim={to}");
        assert_eq!(logging.get(&list).await.expect(200)["total"], total, "{list}");
    }
    for beyond in ["0000-12-31", "10000-01-01", "-0001-01-01", "2026-02-30"] {
        let list = format!("{APONTAMENTOS}?data_fim={beyond}");
        let failure = "query.data_fim date_from_datetime_parsing";
        assert_eq!(logging.get(&list).await.failures(), [failure], "{list}");
    }
}

#[tokio::test]
async fn week_at_the_ends_of_the_calendar_is_clear() {
    let logging = Logging::new().await;
    let projeto = logging.tenants.projeto;
    let week = async |day: &str| {
        let of = format!("organization_name=contoso&project_id={projeto}");
        logging
            .get(&format!("/api/v1/timesheet?{of}&week_start={day}"))
            .await
    };
    for (day, first, last) in [
        ("0001-01-01", "0001-01-01", "0001-01-07"),
        ("0001-01-08", "0001-01-08", "0001-01-14"),
        ("9999-12-26", "9999-12-20", "9999-12-26"),
    ] {
        let found = week(day).await.expect(200);
        assert_eq!(
            (&found["semana_inicio"], &found["semana_fim"]),
            (&json!(first), &json!(last))
        );
    }
    for day in ["9999-12-27", "9999-12-31"] {
        assert_eq!(week(day).await.failures(), ["query.week_start less_than_equal"]);
    }
}
