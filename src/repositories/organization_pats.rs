//! Table: `organization_pats`. What is encrypted stays so here.

use chrono::{DateTime, Utc};

use crate::db::Tx;
use crate::models::ids::OrganizationPatId;
use crate::models::organizacao::ChaveOrganizacao;
use crate::models::organization_pat::OrganizationPat;
use crate::models::page::Page;

/// There is one PAT an organisation.
pub const ORGANIZACAO_KEY: &str = "organization_pats_organizacao_key";

/// A statement whose rows are PATs: what follows its FROM, and its parameters.
macro_rules! select_pats {
    ($after:literal, $($parameters:tt)*) => {
        sqlx::query_as!(
            OrganizationPat,
            r#"SELECT id AS "id: OrganizationPatId", organizacao AS "organizacao: ChaveOrganizacao",
                  CASE WHEN EXISTS (SELECT FROM organizacoes o WHERE o.chave = organizacao)
                       THEN (SELECT o.nome FROM organizacoes o WHERE o.chave = organizacao)
                       ELSE organizacao END AS organizacao_nome, organization_url, pat_cifrado, chave_id, descricao,
                  expira_em, ativo, validado_em, criado_por, criado_em, atualizado_em,
                  coalesce(expira_em <= now(), false) AS "expirado!",
                  coalesce(expira_em <= now() + interval '7 days', false) AS "expira_em_breve!"
             FROM organization_pats
            "# + $after,
            $($parameters)*
        )
    };
}

/// A page of rows by organisation.
pub async fn list(tx: &mut Tx, only_active: bool, page: Page) -> Result<Vec<OrganizationPat>, sqlx::Error> {
    let (conn, organizacoes) = tx.parts();
    select_pats!(
        "WHERE (ativo OR NOT $1) AND ($4::text[] IS NULL OR organizacao = ANY ($4))
            ORDER BY organizacao
            LIMIT $2 OFFSET $3",
        only_active,
        page.limit,
        page.skip,
        organizacoes as Option<&[String]>,
    )
    .fetch_all(conn)
    .await
}

/// How many rows match.
pub async fn count(tx: &mut Tx, only_active: bool) -> Result<i64, sqlx::Error> {
    let (conn, organizacoes) = tx.parts();
    sqlx::query_scalar!(
        r#"SELECT count(*) AS "total!" FROM organization_pats
            WHERE (ativo OR NOT $1) AND ($2::text[] IS NULL OR organizacao = ANY ($2))"#,
        only_active,
        organizacoes as Option<&[String]>,
    )
    .fetch_one(conn)
    .await
}

/// Seconds until the first active PAT expires, negative behind it; `None`: none expires.
pub async fn first_expiry(tx: &mut Tx) -> Result<Option<f64>, sqlx::Error> {
    sqlx::query_scalar!(
        "SELECT extract(epoch FROM min(expira_em) - now())::double precision FROM organization_pats WHERE ativo"
    )
    .fetch_one(tx.conn())
    .await
}

/// One row.
pub async fn find(tx: &mut Tx, id: OrganizationPatId) -> Result<Option<OrganizationPat>, sqlx::Error> {
    let (conn, organizacoes) = tx.parts();
    select_pats!(
        "WHERE id = $1 AND ($2::text[] IS NULL OR organizacao = ANY ($2))",
        id as OrganizationPatId,
        organizacoes as Option<&[String]>,
    )
    .fetch_optional(conn)
    .await
}

/// One row, kept from other writers until the transaction ends.
pub async fn lock(tx: &mut Tx, id: OrganizationPatId) -> Result<Option<OrganizationPat>, sqlx::Error> {
    let (conn, organizacoes) = tx.parts();
    select_pats!(
        "WHERE id = $1 AND ($2::text[] IS NULL OR organizacao = ANY ($2))
              FOR NO KEY UPDATE",
        id as OrganizationPatId,
        organizacoes as Option<&[String]>,
    )
    .fetch_optional(conn)
    .await
}

/// A row to be added; the times come from the database.
#[derive(Debug)]
pub struct NewRow<'a> {
    /// Key.
    pub id: OrganizationPatId,
    /// Key of the organisation.
    pub organizacao: &'a ChaveOrganizacao,
    /// Address for people.
    pub organization_url: &'a str,
    /// Nonce, ciphertext and tag.
    pub pat_cifrado: &'a [u8],
    /// Key that it is encrypted with.
    pub chave_id: &'a str,
    /// Notes.
    pub descricao: Option<&'a str>,
    /// When it stops being used.
    pub expira_em: Option<DateTime<Utc>>,
    /// Whether it is used.
    pub ativo: bool,
    /// Whether Azure DevOps accepted it just now.
    pub validated: bool,
    /// Person that entered it.
    pub criado_por: &'a str,
}

/// Adds a row. May fail on [`ORGANIZACAO_KEY`].
pub async fn insert(tx: &mut Tx, row: &NewRow<'_>) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO organization_pats (id, organizacao, organization_url, pat_cifrado, chave_id, descricao, expira_em,
                                        ativo, validado_em, criado_por)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, CASE WHEN $9 THEN clock_timestamp() END, left($10, 255))",
        row.id as OrganizationPatId,
        row.organizacao.as_str(),
        row.organization_url,
        row.pat_cifrado,
        row.chave_id,
        row.descricao,
        row.expira_em,
        row.ativo,
        row.validated,
        row.criado_por,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Writes what may change of a row.
pub async fn update(tx: &mut Tx, row: &OrganizationPat) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE organization_pats
            SET organization_url = $2, pat_cifrado = $3, chave_id = $4, descricao = $5, expira_em = $6, ativo = $7,
                validado_em = $8
          WHERE id = $1",
        row.id as OrganizationPatId,
        row.organization_url,
        row.pat_cifrado,
        row.chave_id,
        row.descricao,
        row.expira_em,
        row.ativo,
        row.validado_em,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Notes whether Azure DevOps accepts the PAT, unless it is another one by now. `false`: it is.
pub async fn mark_validated(
    tx: &mut Tx,
    id: OrganizationPatId,
    pat_cifrado: &[u8],
    valid: bool,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!(
        "UPDATE organization_pats SET validado_em = CASE WHEN $3 THEN clock_timestamp() END
          WHERE id = $1 AND pat_cifrado = $2",
        id as OrganizationPatId,
        pat_cifrado,
        valid,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Removes a row.
pub async fn delete(tx: &mut Tx, id: OrganizationPatId) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "DELETE FROM organization_pats WHERE id = $1",
        id as OrganizationPatId
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Ids of the rows that are encrypted with another key than this.
pub async fn ids_not_under(tx: &mut Tx, chave_id: &str) -> Result<Vec<OrganizationPatId>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT id AS "id: OrganizationPatId" FROM organization_pats WHERE chave_id <> $1 ORDER BY organizacao"#,
        chave_id,
    )
    .fetch_all(tx.conn())
    .await
}
