//! Table: `write_back`, from the view of one attempt: it takes a lease, stores the patch before sending, and
//! records the result. Every statement after the first requires the lease.

use std::time::Duration;

use sqlx::types::Json;
use uuid::Uuid;

use crate::db::Tx;
use crate::models::duracao::Total;
use crate::models::horas::Horas;
use crate::models::organizacao::ChaveOrganizacao;
use crate::models::outbox::{Claim, Coverage, Logged, PendingPatch, Share, Target, Write};

/// Maximum number of stored writes per work item.
const MOST_WRITES: i64 = 16;

struct ClaimRow {
    organizacao: ChaveOrganizacao,
    work_item_id: i32,
    lease: Uuid,
    contribuicao: i64,
    considerado: i64,
    descontado: i64,
    tentativas: i32,
    rev_escrita: i32,
    behind_seconds: Option<f64>,
    intencao_rev: Option<i32>,
    intencao_versao: Option<i64>,
    intencao_contribuicao: Option<i64>,
    intencao_considerado: Option<i64>,
    intencao_descontado: Option<i64>,
    intencao_completed: Option<i64>,
    intencao_remaining: Option<i64>,
    intencao_por: Option<Uuid>,
    sent_seconds_ago: Option<f64>,
}

fn share(contribuicao: i64, considerado: i64, descontado: i64) -> Share {
    Share {
        contributed: Horas::from_millionths(contribuicao),
        accounted: Horas::from_millionths(considerado),
        deducted: Horas::from_millionths(descontado),
    }
}

impl ClaimRow {
    fn pending(&self) -> Option<PendingPatch> {
        Some(PendingPatch {
            rev: self.intencao_rev?,
            versao: self.intencao_versao?,
            after: share(
                self.intencao_contribuicao?,
                self.intencao_considerado?,
                self.intencao_descontado?,
            ),
            completed: self.intencao_completed.map(Horas::from_millionths),
            remaining: self.intencao_remaining.map(Horas::from_millionths),
            author: self.intencao_por,
        })
    }

    fn into_claim(self) -> (Target, Claim) {
        let pending = self.pending();
        let duration = |seconds: Option<f64>| Duration::try_from_secs_f64(seconds?).ok();
        let target = Target {
            organizacao: self.organizacao,
            work_item_id: self.work_item_id,
        };
        let claim = Claim {
            lease: self.lease,
            share: share(self.contribuicao, self.considerado, self.descontado),
            pending,
            attempts: self.tentativas,
            rev_written: self.rev_escrita,
            sent_ago: duration(self.sent_seconds_ago),
            behind_for: duration(self.behind_seconds),
        };
        (target, claim)
    }
}

/// Leases a work item. Returns `None` if nothing is to be written, or another attempt holds the lease.
pub async fn take(tx: &mut Tx, target: &Target, lease: Duration) -> Result<Option<Claim>, sqlx::Error> {
    let row = sqlx::query_as!(
        ClaimRow,
        r#"UPDATE write_back
              SET lease = gen_random_uuid(), lease_ate = clock_timestamp() + make_interval(secs => $3)
            WHERE organizacao = $1 AND work_item_id = $2 AND estado = 'pendente' AND NOT conferir
              AND (lease_ate IS NULL OR lease_ate <= clock_timestamp())
        RETURNING organizacao AS "organizacao: ChaveOrganizacao", work_item_id, lease AS "lease!", contribuicao,
        considerado, descontado, tentativas, rev_escrita,
                  extract(epoch FROM clock_timestamp() - atras_desde)::double precision AS behind_seconds,
                  intencao_rev, intencao_versao, intencao_contribuicao, intencao_considerado, intencao_descontado,
                  intencao_completed,
                  intencao_remaining, intencao_por,
                  extract(epoch FROM clock_timestamp() - intencao_em)::double precision AS sent_seconds_ago"#,
        target.organizacao.as_str(),
        target.work_item_id,
        lease.as_secs_f64(),
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(ClaimRow::into_claim).map(|(_, claim)| claim))
}

/// Leases due work items, the longest due first, up to the given number per organisation. Concurrent
/// processes lease different rows.
pub async fn take_due(
    tx: &mut Tx,
    organizacoes: &[(ChaveOrganizacao, i64)],
    lease: Duration,
) -> Result<Vec<(Target, Claim)>, sqlx::Error> {
    let nomes: Vec<String> = organizacoes.iter().map(|(nome, _)| nome.to_string()).collect();
    let most: Vec<i64> = organizacoes.iter().map(|(_, most)| *most).collect();
    let rows = sqlx::query_as!(
        ClaimRow,
        r#"WITH due AS MATERIALIZED (
               SELECT d.organizacao, d.work_item_id
                 FROM unnest($1::text[], $2::bigint[]) AS o (organizacao, most)
                CROSS JOIN LATERAL (
                      SELECT d.organizacao, d.work_item_id
                        FROM write_back d
                       WHERE d.organizacao = o.organizacao AND d.estado = 'pendente' AND d.proxima_em <= now()
                         AND NOT d.conferir AND (d.lease_ate IS NULL OR d.lease_ate <= now())
                       ORDER BY d.proxima_em
                       LIMIT o.most
                         FOR UPDATE SKIP LOCKED) AS d)
           UPDATE write_back w
              SET lease = gen_random_uuid(), lease_ate = clock_timestamp() + make_interval(secs => $3)
             FROM due
            WHERE w.organizacao = due.organizacao AND w.work_item_id = due.work_item_id
        RETURNING w.organizacao AS "organizacao: ChaveOrganizacao", w.work_item_id, w.lease AS "lease!",
        w.contribuicao, w.considerado, w.descontado,
                  w.tentativas, w.rev_escrita,
                  extract(epoch FROM clock_timestamp() - w.atras_desde)::double precision AS behind_seconds,
                  w.intencao_rev, w.intencao_versao, w.intencao_contribuicao,
                  w.intencao_considerado, w.intencao_descontado, w.intencao_completed, w.intencao_remaining,
                  w.intencao_por,
                  extract(epoch FROM clock_timestamp() - w.intencao_em)::double precision AS sent_seconds_ago"#,
        &nomes,
        &most,
        lease.as_secs_f64(),
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(ClaimRow::into_claim).collect())
}

/// Returns the sum of a work item's entries and the matching version, from one snapshot.
pub async fn logged(tx: &mut Tx, target: &Target) -> Result<Logged, sqlx::Error> {
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

/// Stores a patch before it is sent, and renews the lease. Returns `false` if the lease is lost; then nothing
/// may be sent.
pub async fn store_pending(
    tx: &mut Tx,
    target: &Target,
    lease: Uuid,
    patch: &PendingPatch,
    lease_for: Duration,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!(
        "UPDATE write_back
            SET intencao_rev = $4, intencao_versao = $5, intencao_contribuicao = $6, intencao_descontado = $7,
                intencao_completed = $8, intencao_remaining = $9, intencao_por = $10, intencao_considerado = $11,
                intencao_em = clock_timestamp(),
                lease_ate = clock_timestamp() + make_interval(secs => $12)
          WHERE organizacao = $1 AND work_item_id = $2 AND lease = $3 AND lease_ate > clock_timestamp()",
        target.organizacao.as_str(),
        target.work_item_id,
        lease,
        patch.rev,
        patch.versao,
        patch.after.contributed.millionths(),
        patch.after.deducted.millionths(),
        patch.completed.map(Horas::millionths),
        patch.remaining.map(Horas::millionths),
        patch.author,
        patch.after.accounted.millionths(),
        lease_for.as_secs_f64(),
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() > 0)
}

/// State of Azure DevOps after an attempt.
#[derive(Debug, Clone, Copy)]
pub struct Settlement {
    /// Version of the entries that Azure DevOps now reflects.
    pub versao: i64,
    /// Share of this service in the figures.
    pub share: Share,
    /// Revision of this service's last write; older revisions must not be used for planning.
    pub rev: i32,
    /// The write, if one was necessary, and the share before it.
    pub write: Option<(Write, Write)>,
    /// `true` if the work item was closed before it received new hours.
    pub closed_before: bool,
    /// `true` if the type has `CompletedWork`; `None` if that was not checked.
    pub has_completed: Option<bool>,
}

/// Result of storing a [`Settlement`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// Another attempt holds the lease; nothing was stored.
    LeaseLost,
    /// Everything is written, and the lease is released.
    Done(Coverage),
    /// Entries changed meanwhile; the lease is still held.
    More,
}

/// A [`Write`] in the column `escritas`: revision, `CompletedWork` and share in millionths of an hour.
pub(super) type StoredWrite = (i32, Option<i64>, i64, i64, i64);

/// Converts a stored write.
pub(super) fn write_of((rev, completed, contributed, accounted, deducted): StoredWrite) -> Write {
    Write {
        rev,
        completed: completed.map(Horas::from_millionths),
        share: share(contributed, accounted, deducted),
    }
}

fn stored(write: &Write) -> StoredWrite {
    let Share {
        contributed,
        accounted,
        deducted,
    } = write.share;
    (
        write.rev,
        write.completed.map(Horas::millionths),
        contributed.millionths(),
        accounted.millionths(),
        deducted.millionths(),
    )
}

/// Stores the state of Azure DevOps: the pending patch was applied, or there was nothing to write.
pub async fn settle(
    tx: &mut Tx,
    target: &Target,
    lease: Uuid,
    settlement: &Settlement,
) -> Result<Settled, sqlx::Error> {
    let write = settlement.write.map(|(write, _)| Json([stored(&write)]));
    let before = settlement.write.map(|(_, before)| Json([stored(&before)]));
    // Writes above the new revision were undone by a restore of Azure DevOps.
    let row = sqlx::query!(
        r#"UPDATE write_back
              SET versao_escrita = greatest(versao_escrita, $4), contribuicao = $5, descontado = $6, escrito_em = now(),
                  rev_escrita = $7, considerado = $8,
                  estado = CASE WHEN versao > $4 THEN 'pendente' ELSE 'sincronizado' END,
                  pendente_desde = now(), proxima_em = now(), tentativas = 0, motivo = NULL, atras_desde = NULL,
                  fechado_de = CASE WHEN $9 AND $4 > versao_escrita THEN versao_escrita ELSE fechado_de END,
                  fechado_ate = CASE WHEN $9 AND $4 > versao_escrita THEN $4 ELSE fechado_ate END,
                  sem_campo = coalesce(NOT $10::boolean, sem_campo),
                  lease_ate = CASE WHEN versao > $4 THEN lease_ate END,
                  escritas = (SELECT coalesce(jsonb_agg(e.write ORDER BY e.n), '[]')
                                FROM jsonb_array_elements(coalesce($11::jsonb, '[]')
                                     || CASE WHEN escritas = '[]' THEN coalesce($12::jsonb, '[]') ELSE escritas END)
                                     WITH ORDINALITY AS e (write, n)
                               WHERE (e.write ->> 0)::integer <= $7 AND e.n <= $13),
                  intencao_rev = NULL, intencao_versao = NULL, intencao_contribuicao = NULL,
                  intencao_considerado = NULL, intencao_descontado = NULL, intencao_completed = NULL,
                  intencao_remaining = NULL, intencao_por = NULL,
                  intencao_em = NULL
            WHERE organizacao = $1 AND work_item_id = $2 AND lease = $3
        RETURNING versao > $4 AS "more!", versao_escrita, fechado_de, fechado_ate, sem_campo"#,
        target.organizacao.as_str(),
        target.work_item_id,
        lease,
        settlement.versao,
        settlement.share.contributed.millionths(),
        settlement.share.deducted.millionths(),
        settlement.rev,
        settlement.share.accounted.millionths(),
        settlement.closed_before,
        settlement.has_completed,
        write as Option<Json<[StoredWrite; 1]>>,
        before as Option<Json<[StoredWrite; 1]>>,
        MOST_WRITES,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(match row {
        None => Settled::LeaseLost,
        Some(row) if row.more => Settled::More,
        Some(row) => Settled::Done(Coverage {
            versao: row.versao_escrita,
            closed: row.fechado_de.zip(row.fechado_ate),
            no_field: row.sem_campo,
        }),
    })
}

/// Returns the last writes of a work item, the newest first, and `true` if older ones were removed.
pub async fn writes(tx: &mut Tx, target: &Target) -> Result<(Vec<Write>, bool), sqlx::Error> {
    let stored = sqlx::query_scalar!(
        r#"SELECT escritas AS "escritas: Json<Vec<StoredWrite>>" FROM write_back
            WHERE organizacao = $1 AND work_item_id = $2"#,
        target.organizacao.as_str(),
        target.work_item_id,
    )
    .fetch_one(tx.conn())
    .await?;
    let truncated = i64::try_from(stored.len()).is_ok_and(|count| count >= MOST_WRITES);
    Ok((stored.0.into_iter().map(write_of).collect(), truncated))
}

/// Removes a pending patch that was not applied and never can be: its revision is outdated, or it was
/// refused. Returns `false` if the lease is lost.
pub async fn forget_pending(tx: &mut Tx, target: &Target, lease: Uuid) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!(
        "UPDATE write_back
            SET intencao_rev = NULL, intencao_versao = NULL, intencao_contribuicao = NULL, intencao_considerado = NULL,
                intencao_descontado = NULL, intencao_completed = NULL, intencao_remaining = NULL, intencao_por = NULL,
                intencao_em = NULL
          WHERE organizacao = $1 AND work_item_id = $2 AND lease = $3",
        target.organizacao.as_str(),
        target.work_item_id,
        lease,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() > 0)
}

/// A transient failure.
#[derive(Debug, Clone, Copy)]
pub struct Setback<'a> {
    /// Time until the next attempt.
    pub wait: Duration,
    /// Reason, for display.
    pub motivo: &'a str,
    /// `true` if Azure DevOps was called.
    pub counts: bool,
    /// `true` if Azure DevOps returned a revision below that of this service's last write.
    pub behind: bool,
    /// Time since the pending patch was last sent without a definite answer, if a later send of it got a
    /// definite one.
    pub sent_ago: Option<Duration>,
    /// Time after which a pending row counts as failed.
    pub give_up: Duration,
}

/// Releases the lease after a transient failure.
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
                              THEN 'falhou' ELSE estado END,
                atras_desde = CASE WHEN $8 THEN coalesce(atras_desde, clock_timestamp()) ELSE atras_desde END,
                intencao_em = coalesce(clock_timestamp() - make_interval(secs => $9::double precision), intencao_em)
          WHERE organizacao = $1 AND work_item_id = $2 AND lease = $3",
        target.organizacao.as_str(),
        target.work_item_id,
        lease,
        setback.wait.as_secs_f64(),
        setback.motivo,
        i32::from(setback.counts),
        setback.give_up.as_secs_f64(),
        setback.behind,
        setback.sent_ago.map(|ago| ago.as_secs_f64()),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Releases the lease after a permanent failure. Entries that changed during the attempt get an attempt of
/// their own, after `wait`.
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
