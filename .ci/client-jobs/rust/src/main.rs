//! One job with the generated client: logs half an hour twice under one key, changes it with `If-Match`, reads
//! problems, walks the pages of a list and deletes the entry.

use std::env;
use std::error::Error as StdError;

use aponta_client_job::types::{ApontamentoResponse, ApontamentoUpdateDuracao, Problem, ProblemCode};
use aponta_client_job::{Client, Error, ResponseValue};
use chrono::{Days, NaiveDate, Utc};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use uuid::Uuid;

type Outcome<T> = Result<T, Box<dyn StdError>>;

const ATIVIDADE: Uuid = Uuid::from_u128(0x0193_2b5c_7c00_7000_8000_0000_0000_0001);

/// Returns a client whose requests have the token of `APONTA_TOKEN`.
fn client() -> Outcome<Client> {
    let mut token: HeaderValue = format!("Bearer {}", env::var("APONTA_TOKEN")?).parse()?;
    token.set_sensitive(true);
    let headers = HeaderMap::from_iter([(AUTHORIZATION, token)]);
    let http = reqwest::Client::builder().default_headers(headers).build()?;
    Ok(Client::new_with_client(&env::var("APONTA_URL")?, http))
}

/// Returns a new `Idempotency-Key`.
fn new_key() -> String {
    format!("\"{}\"", Uuid::new_v4())
}

/// Logs half an hour.
async fn log(
    client: &Client,
    day: NaiveDate,
    key: &str,
) -> Result<ResponseValue<ApontamentoResponse>, Error<Problem>> {
    let request = client.create_apontamento().idempotency_key(key);
    let request = request.body_map(|body| {
        body.organization_name("contoso")
            .project_id("Portal do Contribuinte")
            .work_item_id(4711_u32)
            .id_atividade(ATIVIDADE)
            .data_apontamento(day)
            .duracao("00:30")
    });
    request.send().await
}

/// Changes the duration of an entry, if it still is as it was when it had this tag.
async fn change(
    client: &Client,
    id: Uuid,
    etag: &str,
    duracao: ApontamentoUpdateDuracao,
) -> Result<ResponseValue<ApontamentoResponse>, Error<Problem>> {
    let request = client.patch_apontamento().apontamento_id(id).if_match(etag);
    request.body_map(|body| body.duracao(duracao)).send().await
}

/// Returns the ids of all entries of the caller, in pages of two.
async fn pages(client: &Client) -> Outcome<Vec<Uuid>> {
    let mut ids = Vec::new();
    let mut request = client.list_apontamentos().limit(2_u64);
    loop {
        let page = request.send().await?.into_inner();
        ids.extend(page.items.iter().map(|entry| entry.id));
        let Some(cursor) = page.next_cursor else {
            return Ok(ids);
        };
        request = client.list_apontamentos().limit(2_u64).cursor(cursor);
    }
}

/// Returns the problem of a refused request.
fn problem<T>(answer: Result<ResponseValue<T>, Error<Problem>>) -> Outcome<Problem> {
    match answer {
        Err(Error::ErrorResponse(problem)) => Ok(problem.into_inner()),
        Err(error) => Err(error.into()),
        Ok(_) => Err("the request was not refused".into()),
    }
}

fn etag<T>(answer: &ResponseValue<T>) -> Outcome<String> {
    let etag = answer.headers().get("etag").ok_or("no ETag")?;
    Ok(etag.to_str()?.to_owned())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let client = client()?;
    let today = Utc::now().date_naive();
    let yesterday = today - Days::new(1);
    let key = new_key();
    let before = pages(&client).await?;

    let first = log(&client, yesterday, &key).await?;
    let again = log(&client, yesterday, &key).await?;
    assert_eq!(first.id, again.id);
    assert_eq!(again.headers()["idempotency-replayed"], "true");
    assert!((first.duracao_horas - 0.5).abs() < f64::EPSILON);

    let old = etag(&client.get_apontamento().apontamento_id(first.id).send().await?)?;
    let changed = change(&client, first.id, &old, "00:45".parse()?).await?;
    assert_eq!(changed.duracao, "00:45");
    let outdated = problem(change(&client, first.id, &old, "01:00".parse()?).await)?;
    assert_eq!(
        (outdated.status, outdated.code),
        (412, ProblemCode::VersaoDesatualizada)
    );

    let future = problem(log(&client, today + Days::new(7), &new_key()).await)?;
    assert_eq!((future.status, future.code), (422, ProblemCode::DataFutura));
    assert!(!future.detail.is_empty());

    let after = pages(&client).await?;
    assert_eq!(after.len(), before.len() + 1);
    assert_eq!(after.iter().filter(|id| **id == first.id).count(), 1);
    client
        .delete_apontamento()
        .apontamento_id(first.id)
        .send()
        .await?;
    assert_eq!(pages(&client).await?, before);
    println!("rust: done");
    Ok(())
}
