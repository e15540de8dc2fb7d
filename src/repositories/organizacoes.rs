//! Table: `organizacoes`. Written only under
//! [`Scope::Maintenance`](crate::models::organizacao::Scope::Maintenance).

use uuid::Uuid;

use crate::db::Tx;
use crate::models::organizacao::{
    ChaveOrganizacao, FORMER_NAME_TTL, NAME_UNSEEN, NomeAnterior, NomeOrganizacao, OrganizacaoRegistrada,
};

/// Returns all organisations, by key.
pub async fn list(tx: &mut Tx) -> Result<Vec<OrganizacaoRegistrada>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT chave AS "chave: ChaveOrganizacao", nome, instance_id,
                  ARRAY(SELECT a ->> 'nome' FROM jsonb_array_elements(nomes_anteriores) a
                         ORDER BY a ->> 'ate' DESC) AS "anteriores!: Vec<String>",
                  ARRAY(SELECT (a ->> 'ate')::timestamptz > now() - make_interval(secs => $1)
                          FROM jsonb_array_elements(nomes_anteriores) a
                         ORDER BY a ->> 'ate' DESC) AS "valid!: Vec<bool>",
                  visto_em IS NULL OR visto_em < now() - make_interval(secs => $2) AS "unseen!"
             FROM organizacoes ORDER BY chave"#,
        FORMER_NAME_TTL.as_secs_f64(),
        NAME_UNSEEN.as_secs_f64(),
    )
    .fetch_all(tx.conn())
    .await?;
    let parse = |text: &str| NomeOrganizacao::parse(text).map_err(|why| sqlx::Error::Decode(why.into()));
    rows.into_iter()
        .map(|row| {
            let anteriores = row.anteriores.iter().zip(row.valid);
            let anterior = |(text, valid): (&String, bool)| {
                Ok(NomeAnterior {
                    nome: parse(text)?,
                    valid,
                })
            };
            Ok(OrganizacaoRegistrada {
                chave: row.chave,
                nome: row.nome.as_deref().map(parse).transpose()?,
                instance_id: row.instance_id,
                anteriores: anteriores.map(anterior).collect::<Result<_, sqlx::Error>>()?,
                unseen: row.unseen,
            })
        })
        .collect()
}

/// Locks the recording of organisations against other processes until the transaction ends.
pub async fn lock(tx: &mut Tx) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "SELECT pg_advisory_xact_lock(hashtextextended(current_schema()::text || '.organizacoes', 0))"
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Inserts an organisation under its present name.
pub async fn insert(
    tx: &mut Tx,
    chave: &ChaveOrganizacao,
    nome: &NomeOrganizacao,
    instance_id: Uuid,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO organizacoes (chave, nome, instance_id, visto_em) VALUES ($1, $2, $3, now())",
        chave.as_str(),
        nome.as_str(),
        instance_id,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Stores the `instanceId` of an organisation without one.
pub async fn pin(tx: &mut Tx, chave: &ChaveOrganizacao, instance_id: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE organizacoes SET instance_id = $2, visto_em = now() WHERE chave = $1 AND instance_id IS NULL",
        chave.as_str(),
        instance_id,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Records that the present name of an organisation was verified now.
pub async fn mark_seen(
    tx: &mut Tx,
    chave: &ChaveOrganizacao,
    nome: &NomeOrganizacao,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE organizacoes SET visto_em = now() WHERE chave = $1 AND nome = $2",
        chave.as_str(),
        nome.as_str(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Changes the name of an organisation; the previous name becomes a former one.
pub async fn rename(
    tx: &mut Tx,
    chave: &ChaveOrganizacao,
    nome: &NomeOrganizacao,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE organizacoes
            SET nomes_anteriores = former_names(nomes_anteriores, nome, $2), nome = $2, visto_em = now()
          WHERE chave = $1",
        chave.as_str(),
        nome.as_str(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Removes the name of an organisation; it becomes a former one.
pub async fn free_name(
    tx: &mut Tx,
    chave: &ChaveOrganizacao,
    nome: &NomeOrganizacao,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE organizacoes SET nomes_anteriores = former_names(nomes_anteriores, nome, NULL), nome = NULL
          WHERE chave = $1 AND nome = $2",
        chave.as_str(),
        nome.as_str(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
