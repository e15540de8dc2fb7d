//! An entry as returned by statements. Its columns are listed once, in a macro for statements that read,
//! insert and update entries.

use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;

use crate::models::apontamento::{Apontamento, AtividadeRef, Pessoa};
use crate::models::duracao::Duracao;
use crate::models::ids::{ApontamentoId, AtividadeId};
use crate::models::organizacao::ChaveOrganizacao;
use crate::models::outbox::{Estado, Situacao};

/// An entry with the related names.
pub(super) struct Row {
    pub(super) id: ApontamentoId,
    pub(super) organizacao: ChaveOrganizacao,
    pub(super) organizacao_nome: String,
    pub(super) projeto: Uuid,
    pub(super) projeto_nome: Option<String>,
    pub(super) projeto_atual: Uuid,
    pub(super) work_item_id: i32,
    pub(super) work_item_titulo: Option<String>,
    pub(super) data_apontamento: NaiveDate,
    pub(super) minutos: i32,
    pub(super) id_atividade: AtividadeId,
    pub(super) atividade_nome: String,
    pub(super) comentario: Option<String>,
    pub(super) usuario_id: String,
    pub(super) usuario_nome: String,
    pub(super) usuario_email: Option<String>,
    pub(super) registrado_por_id: Option<String>,
    pub(super) registrado_por_nome: Option<String>,
    pub(super) criado_em: DateTime<Utc>,
    pub(super) atualizado_em: DateTime<Utc>,
    pub(super) estado: Option<String>,
    pub(super) motivo: Option<String>,
    pub(super) fechado_antes: Option<bool>,
    pub(super) sem_campo: Option<bool>,
    /// Only for pages: number of all matching entries.
    pub(super) count: Option<i64>,
    /// Only for pages: minutes of all matching entries.
    pub(super) total: Option<i64>,
}

impl TryFrom<Row> for Apontamento {
    type Error = sqlx::Error;

    fn try_from(row: Row) -> Result<Self, sqlx::Error> {
        let duracao = duracao(row.minutos)?;
        let registrado_por = row.registrado_por_id.map(|id| Pessoa {
            nome: row.registrado_por_nome.unwrap_or_else(|| id.clone()),
            id,
            email: None,
        });
        Ok(Self {
            id: row.id,
            organizacao: row.organizacao,
            organizacao_nome: row.organizacao_nome,
            projeto: row.projeto,
            projeto_nome: row.projeto_nome,
            projeto_atual: row.projeto_atual,
            work_item_id: row.work_item_id,
            work_item_titulo: row.work_item_titulo,
            data: row.data_apontamento,
            duracao,
            atividade: AtividadeRef {
                id: row.id_atividade,
                nome: row.atividade_nome,
            },
            comentario: row.comentario,
            usuario: Pessoa {
                id: row.usuario_id,
                nome: row.usuario_nome,
                email: row.usuario_email,
            },
            registrado_por,
            criado_em: row.criado_em,
            atualizado_em: row.atualizado_em,
            sincronizacao: situacao(row.estado, row.motivo, row.fechado_antes, row.sem_campo),
        })
    }
}

/// Returns the write-back state of an entry. Returns `None` if the entry is not written back.
fn situacao(
    estado: Option<String>,
    motivo: Option<String>,
    fechado_antes: Option<bool>,
    sem_campo: Option<bool>,
) -> Option<Situacao> {
    let estado = Estado::parse(&estado?);
    if estado == Estado::Sincronizado {
        return Some(Situacao::covered(
            sem_campo == Some(true),
            fechado_antes == Some(true),
        ));
    }
    Some(Situacao {
        estado: Some(estado),
        motivo,
    })
}

/// Converts minutes from the database; the column's constraint guarantees the range.
pub(super) fn duracao(minutos: i32) -> Result<Duracao, sqlx::Error> {
    Duracao::from_minutes(minutos.into()).ok_or_else(|| sqlx::Error::Decode("minutos is out of range".into()))
}

/// A statement that returns a [`Row`] per entry. Parameters of the macro: the text before SELECT, the
/// expressions for count and sum of matching entries, the FROM clause (which names the entries `a`), the text
/// after it, and the statement's parameters.
macro_rules! select_entries {
    ($before:literal, $count:literal, $total:literal, $from:literal, $after:literal, $($parameters:tt)*) => {
        // The written version of the work item's hours covers all entries up to that version.
        sqlx::query_as!(
            $crate::repositories::apontamentos::row::Row,
            $before
                + r#"SELECT a.id AS "id!: ApontamentoId", a.organizacao AS "organizacao!: ChaveOrganizacao",
                  coalesce(o.nome, a.organizacao) AS "organizacao_nome!",
                  coalesce(p.external_id, a.id_projeto) AS "projeto!",
                  coalesce(a.projeto_nome, p.nome) AS projeto_nome, a.work_item_titulo,
                  coalesce(present.external_id, p.external_id, a.id_projeto) AS "projeto_atual!",
                  a.work_item_id AS "work_item_id!",
                  a.data_apontamento AS "data_apontamento!", a.minutos AS "minutos!",
                  a.id_atividade AS "id_atividade!: AtividadeId", t.nome AS atividade_nome, a.comentario,
                  a.usuario_id AS "usuario_id!", a.usuario_nome AS "usuario_nome!", a.usuario_email,
                  a.registrado_por_id,
                  a.registrado_por_nome, a.criado_em AS "criado_em!", a.atualizado_em AS "atualizado_em!",
                  CASE WHEN a.versao_escrita IS NULL THEN NULL
                       WHEN a.versao_escrita <= w.versao_escrita THEN 'sincronizado'
                       ELSE w.estado END AS estado,
                  CASE WHEN a.versao_escrita > w.versao_escrita THEN w.motivo END AS motivo,
                  a.versao_escrita <= w.versao_escrita AND a.versao_escrita > w.fechado_de
                       AND a.versao_escrita <= w.fechado_ate AS fechado_antes,
                  w.sem_campo AS "sem_campo?",
                  "# + $count + " AS count, " + $total + " AS total
             FROM " + $from + "
             JOIN atividades t ON t.id = a.id_atividade
             LEFT JOIN projetos p ON p.id = a.id_projeto
             LEFT JOIN organizacoes o ON o.chave = a.organizacao
             LEFT JOIN write_back w ON w.organizacao = a.organizacao AND w.work_item_id = a.work_item_id
             LEFT JOIN projetos present ON present.id = w.id_projeto
            " + $after,
            $($parameters)*
        )
    };
}
