//! Table: `write_back`. Whoever writes a work item's hours holds its lease; every later statement asks for it again. What
//! people look at and repair is in [`overview`].

pub mod overview;

use std::time::Duration;

use uuid::Uuid;

use crate::db::Tx;
use crate::models::duracao::Total;
use crate::models::horas::Horas;
use crate::models::ids::ProjetoId;
use crate::models::organizacao::ChaveOrganizacao;
use crate::models::outbox::{Claim, Logged, PendingPatch, Share, Target};

/// Where the caller of [`mark`] knows a work item to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In this project now, as Azure DevOps told.
    Present(ProjetoId),
    /// In this project when an entry was logged.
    AtLogging(ProjetoId),
}

/// Notes that a work item's entries change in this transaction and returns the state that they reach. The background leaves
/// it to the request for `head_start`. Waits for other changes of entries of the same work item.
pub async fn mark(
    tx: &mut Tx,
    organizacao: &ChaveOrganizacao,
    work_item_id: i32,
    place: Place,
    head_start: Duration,
) -> Result<i64, sqlx::Error> {
    let (Place::Present(projeto) | Place::AtLogging(projeto)) = place;
    // One that waits after a failure goes on waiting: its organisation is known to be in trouble.
    sqlx::query_scalar!(
        "INSERT INTO write_back AS w (organizacao, work_item_id, id_projeto, proxima_em)
         VALUES ($1, $2, $3, now() + make_interval(secs => $4))
         ON CONFLICT ON CONSTRAINT write_back_pkey DO UPDATE
            SET versao = w.versao + 1, id_projeto = CASE WHEN $5 THEN excluded.id_projeto ELSE w.id_projeto END,
                estado = 'pendente',
                motivo = CASE WHEN w.estado = 'pendente' THEN w.motivo END,
                tentativas = CASE WHEN w.estado = 'pendente' THEN w.tentativas ELSE 0 END,
                pendente_desde = CASE WHEN w.estado = 'pendente' THEN w.pendente_desde ELSE now() END,
                proxima_em = CASE WHEN w.estado = 'pendente' THEN greatest(w.proxima_em, excluded.proxima_em)
                                  ELSE excluded.proxima_em END
         RETURNING versao",
        organizacao.as_str(),
        work_item_id,
        projeto as ProjetoId,
        head_start.as_secs_f64(),
        matches!(place, Place::Present(_)),
    )
    .fetch_one(tx.conn())
    .await
}

/// Notes the project that a work item is in now, under which its hours are found.
pub async fn place(
    tx: &mut Tx,
    organizacao: &ChaveOrganizacao,
    work_item_id: i32,
    projeto: ProjetoId,
) -> Result<(), sqlx::Error> {
    // A row that is new has nothing to be written until an entry changes.
    sqlx::query!(
        "INSERT INTO write_back AS w (organizacao, work_item_id, id_projeto, versao, estado)
         VALUES ($1, $2, $3, 0, 'sincronizado')
         ON CONFLICT ON CONSTRAINT write_back_pkey DO UPDATE SET id_projeto = excluded.id_projeto
          WHERE w.id_projeto <> excluded.id_projeto",
        organizacao.as_str(),
        work_item_id,
        projeto as ProjetoId,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Notes the project that a work item is in now, by its GUID, if it is mirrored.
pub async fn place_by_guid(tx: &mut Tx, target: &Target, guid: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE write_back w SET id_projeto = p.id
           FROM projetos p
          WHERE w.organizacao = $1 AND w.work_item_id = $2 AND p.organizacao = $1 AND p.external_id = $3
            AND w.id_projeto <> p.id",
        target.organizacao.as_str(),
        target.work_item_id,
        guid,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Whether something is still to be written, by any process.
pub async fn is_pending(tx: &mut Tx, target: &Target) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM write_back
                           WHERE organizacao = $1 AND work_item_id = $2 AND estado = 'pendente') AS "pending!""#,
        target.organizacao.as_str(),
        target.work_item_id,
    )
    .fetch_one(tx.conn())
    .await
}

struct TakenRow {
    organizacao: ChaveOrganizacao,
    work_item_id: i32,
    lease: Uuid,
    contribuicao: i64,
    considerado: i64,
    descontado: i64,
    tentativas: i32,
    rev_escrita: i32,
    intencao_rev: Option<i32>,
    intencao_versao: Option<i64>,
    intencao_contribuicao: Option<i64>,
    intencao_considerado: Option<i64>,
    intencao_descontado: Option<i64>,
    intencao_completed: Option<i64>,
    intencao_remaining: Option<i64>,
    intencao_por: Option<Uuid>,
}

impl TakenRow {
    fn pending(&self) -> Option<PendingPatch> {
        Some(PendingPatch {
            rev: self.intencao_rev?,
            versao: self.intencao_versao?,
            depois: Share {
                contribuicao: Horas::from_millionths(self.intencao_contribuicao?),
                considerado: Horas::from_millionths(self.intencao_considerado?),
                descontado: Horas::from_millionths(self.intencao_descontado?),
            },
            completed: self.intencao_completed.map(Horas::from_millionths),
            remaining: self.intencao_remaining.map(Horas::from_millionths),
            por: self.intencao_por,
        })
    }

    fn into_taken(self) -> (Target, Claim) {
        let pending = self.pending();
        let target = Target {
            organizacao: self.organizacao,
            work_item_id: self.work_item_id,
        };
        let claim = Claim {
            lease: self.lease,
            share: Share {
                contribuicao: Horas::from_millionths(self.contribuicao),
                considerado: Horas::from_millionths(self.considerado),
                descontado: Horas::from_millionths(self.descontado),
            },
            pending,
            tentativas: self.tentativas,
            rev_escrita: self.rev_escrita,
        };
        (target, claim)
    }
}

/// Takes a work item for `lease`; `None` when nothing is to be written there, or somebody else is at it.
pub async fn take(tx: &mut Tx, target: &Target, lease: Duration) -> Result<Option<Claim>, sqlx::Error> {
    let row = sqlx::query_as!(
        TakenRow,
        r#"UPDATE write_back
              SET lease = gen_random_uuid(), lease_ate = clock_timestamp() + make_interval(secs => $3)
            WHERE organizacao = $1 AND work_item_id = $2 AND estado = 'pendente'
              AND (lease_ate IS NULL OR lease_ate <= clock_timestamp())
        RETURNING organizacao AS "organizacao: ChaveOrganizacao", work_item_id, lease AS "lease!", contribuicao, considerado, descontado, tentativas, rev_escrita,
                  intencao_rev, intencao_versao, intencao_contribuicao, intencao_considerado, intencao_descontado, intencao_completed,
                  intencao_remaining, intencao_por"#,
        target.organizacao.as_str(),
        target.work_item_id,
        lease.as_secs_f64(),
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(TakenRow::into_taken).map(|(_, taken)| taken))
}

/// Takes work items that are due, of each organisation at the most so many, the longest due first. Of several processes each
/// takes others.
pub async fn take_due(
    tx: &mut Tx,
    organizacoes: &[(ChaveOrganizacao, i64)],
    lease: Duration,
) -> Result<Vec<(Target, Claim)>, sqlx::Error> {
    let nomes: Vec<String> = organizacoes.iter().map(|(nome, _)| nome.to_string()).collect();
    let most: Vec<i64> = organizacoes.iter().map(|(_, most)| *most).collect();
    let rows = sqlx::query_as!(
        TakenRow,
        r#"WITH due AS MATERIALIZED (
               SELECT d.organizacao, d.work_item_id
                 FROM unnest($1::text[], $2::bigint[]) AS o (organizacao, most)
                CROSS JOIN LATERAL (
                      SELECT d.organizacao, d.work_item_id
                        FROM write_back d
                       WHERE d.organizacao = o.organizacao AND d.estado = 'pendente' AND d.proxima_em <= now()
                         AND (d.lease_ate IS NULL OR d.lease_ate <= now())
                       ORDER BY d.proxima_em
                       LIMIT o.most
                         FOR UPDATE SKIP LOCKED) AS d)
           UPDATE write_back w
              SET lease = gen_random_uuid(), lease_ate = clock_timestamp() + make_interval(secs => $3)
             FROM due
            WHERE w.organizacao = due.organizacao AND w.work_item_id = due.work_item_id
        RETURNING w.organizacao AS "organizacao: ChaveOrganizacao", w.work_item_id, w.lease AS "lease!", w.contribuicao, w.considerado, w.descontado,
                  w.tentativas, w.rev_escrita, w.intencao_rev, w.intencao_versao, w.intencao_contribuicao,
                  w.intencao_considerado, w.intencao_descontado, w.intencao_completed, w.intencao_remaining,
                  w.intencao_por"#,
        &nomes,
        &most,
        lease.as_secs_f64(),
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(TakenRow::into_taken).collect())
}

/// The sum of a work item's entries and the state that it belongs to, both of one moment.
pub async fn apontado(tx: &mut Tx, target: &Target) -> Result<Logged, sqlx::Error> {
    let row = sqlx::query!(
        r#"SELECT w.versao, (SELECT coalesce(sum(a.minutos), 0) FROM apontamentos a
                              WHERE a.organizacao = w.organizacao AND a.work_item_id = w.work_item_id) AS "minutos!"
             FROM write_back w
            WHERE w.organizacao = $1 AND w.work_item_id = $2"#,
        target.organizacao.as_str(),
        target.work_item_id,
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(Logged {
        versao: row.versao,
        total: Total(row.minutos),
    })
}

/// Stores what is about to be sent. `false` when the lease is not ours any more: then nothing may be sent.
pub async fn intend(
    tx: &mut Tx,
    target: &Target,
    lease: Uuid,
    pending: &PendingPatch,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!(
        "UPDATE write_back
            SET intencao_rev = $4, intencao_versao = $5, intencao_contribuicao = $6, intencao_descontado = $7,
                intencao_completed = $8, intencao_remaining = $9, intencao_por = $10, intencao_considerado = $11
          WHERE organizacao = $1 AND work_item_id = $2 AND lease = $3 AND lease_ate > clock_timestamp()",
        target.organizacao.as_str(),
        target.work_item_id,
        lease,
        pending.rev,
        pending.versao,
        pending.depois.contribuicao.millionths(),
        pending.depois.descontado.millionths(),
        pending.completed.map(Horas::millionths),
        pending.remaining.map(Horas::millionths),
        pending.por,
        pending.depois.considerado.millionths(),
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() > 0)
}

/// What Azure DevOps knows now.
#[derive(Debug, Clone, Copy)]
pub struct Settled {
    /// State of the entries that it was told.
    pub versao: i64,
    /// What of its figures is ours.
    pub share: Share,
    /// Revision that our last change made.
    pub rev: i32,
    /// Whether the work item was closed before it got hours that are new.
    pub closed_before: bool,
    /// Whether the type has `CompletedWork`; `None` where it was not looked at.
    pub has_completed: Option<bool>,
}

/// The intention was applied, or there was nothing to apply: Azure DevOps knows the entries up to `versao`, and so much of
/// its figures is ours; no revision older than `rev` may be planned with. `None` when the lease is not ours any more,
/// else whether more is to be written; when not, the lease is free again.
pub async fn settle(
    tx: &mut Tx,
    target: &Target,
    lease: Uuid,
    settled: &Settled,
) -> Result<Option<bool>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"UPDATE write_back
              SET versao_escrita = greatest(versao_escrita, $4), contribuicao = $5, descontado = $6, escrito_em = now(),
                  rev_escrita = $7, considerado = $8,
                  estado = CASE WHEN versao > $4 THEN 'pendente' ELSE 'sincronizado' END,
                  pendente_desde = now(), proxima_em = now(), tentativas = 0, motivo = NULL,
                  fechado_de = CASE WHEN $9 AND $4 > versao_escrita THEN versao_escrita ELSE fechado_de END,
                  fechado_ate = CASE WHEN $9 AND $4 > versao_escrita THEN $4 ELSE fechado_ate END,
                  sem_campo = coalesce(NOT $10::boolean, sem_campo),
                  lease_ate = CASE WHEN versao > $4 THEN lease_ate END,
                  intencao_rev = NULL, intencao_versao = NULL, intencao_contribuicao = NULL,
                  intencao_considerado = NULL, intencao_descontado = NULL, intencao_completed = NULL, intencao_remaining = NULL, intencao_por = NULL
            WHERE organizacao = $1 AND work_item_id = $2 AND lease = $3
        RETURNING versao > $4 AS "more!""#,
        target.organizacao.as_str(),
        target.work_item_id,
        lease,
        settled.versao,
        settled.share.contribuicao.millionths(),
        settled.share.descontado.millionths(),
        settled.rev,
        settled.share.considerado.millionths(),
        settled.closed_before,
        settled.has_completed,
    )
    .fetch_optional(tx.conn())
    .await
}

/// The intention was not applied and never can be: its revision is over, or it was refused. `false` when the lease is not
/// ours any more.
pub async fn forget_intention(tx: &mut Tx, target: &Target, lease: Uuid) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!(
        "UPDATE write_back
            SET intencao_rev = NULL, intencao_versao = NULL, intencao_contribuicao = NULL,
                  intencao_considerado = NULL, intencao_descontado = NULL,
                intencao_completed = NULL, intencao_remaining = NULL, intencao_por = NULL
          WHERE organizacao = $1 AND work_item_id = $2 AND lease = $3",
        target.organizacao.as_str(),
        target.work_item_id,
        lease,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() > 0)
}

/// A failure that may pass.
#[derive(Debug, Clone, Copy)]
pub struct Setback<'a> {
    /// Until the next try.
    pub wait: Duration,
    /// Why, for people.
    pub motivo: &'a str,
    /// Whether Azure DevOps was asked at all.
    pub counts: bool,
    /// What is unwritten for longer than this has failed for good.
    pub give_up: Duration,
}

/// Gives the lease back after a failure that may pass.
pub async fn postpone(
    tx: &mut Tx,
    target: &Target,
    lease: Uuid,
    setback: Setback<'_>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE write_back
            SET lease = NULL, lease_ate = NULL, tentativas = tentativas + $6,
                motivo = CASE WHEN estado = 'pendente' THEN left($5, 500) ELSE motivo END,
                proxima_em = clock_timestamp() + make_interval(secs => $4),
                estado = CASE WHEN estado = 'pendente' AND pendente_desde < now() - make_interval(secs => $7)
                              THEN 'falhou' ELSE estado END
          WHERE organizacao = $1 AND work_item_id = $2 AND lease = $3",
        target.organizacao.as_str(),
        target.work_item_id,
        lease,
        setback.wait.as_secs_f64(),
        setback.motivo,
        i32::from(setback.counts),
        setback.give_up.as_secs_f64(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Gives the lease back after a failure that stays. Entries that came while it was tried get a try of their own, after
/// `wait`.
pub async fn fail(
    tx: &mut Tx,
    target: &Target,
    lease: Uuid,
    versao: i64,
    motivo: &str,
    wait: Duration,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE write_back
            SET lease = NULL, lease_ate = NULL, tentativas = tentativas + 1, motivo = left($5, 500),
                estado = CASE WHEN versao > $4 THEN 'pendente' ELSE 'falhou' END,
                proxima_em = clock_timestamp() + make_interval(secs => $6)
          WHERE organizacao = $1 AND work_item_id = $2 AND lease = $3",
        target.organizacao.as_str(),
        target.work_item_id,
        lease,
        versao,
        motivo,
        wait.as_secs_f64(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
