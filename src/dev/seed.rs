//! A small believable data set for newcomers, planted once.

use std::collections::HashMap;

use anyhow::Context;
use chrono::{Days, NaiveDate};
use uuid::Uuid;

use crate::db::{Db, Tx};
use crate::models::apontamento::{ApontamentoRow, Pessoa};
use crate::models::atividade::{NewAtividade, NomeAtividade};
use crate::models::duracao::Duracao;
use crate::models::ids::{ApontamentoId, AtividadeId, ProjetoId};
use crate::models::organizacao::{ChaveOrganizacao, NomeOrganizacao, Scope};
use crate::models::projeto::ProjetoUpstream;
use crate::repositories::{apontamentos, atividades, projetos};

/// Fixed, so that examples in the README work on every machine.
const PORTAL: Uuid = Uuid::from_u128(0x6b1c_1f5e_2d4c_4a9e_9d26_1f0d_9be1_a001);
const NOTA_FISCAL: Uuid = Uuid::from_u128(0x6b1c_1f5e_2d4c_4a9e_9d26_1f0d_9be1_a002);
const SUSTENTACAO: Uuid = Uuid::from_u128(0x6b1c_1f5e_2d4c_4a9e_9d26_1f0d_9be1_a003);

const PROJETOS: [(Uuid, &str, &str); 3] = [
    (
        PORTAL,
        "Portal do Contribuinte",
        "Serviços digitais ao cidadão e às empresas",
    ),
    (
        NOTA_FISCAL,
        "Nota Fiscal Eletrônica",
        "Emissão e autorização de documentos fiscais",
    ),
    (
        SUSTENTACAO,
        "Sustentação e Infraestrutura",
        "Manutenção dos sistemas em produção",
    ),
];

/// Name, description, whether active, projects.
const ATIVIDADES: [(&str, &str, bool, &[Uuid]); 8] = [
    (
        "Análise de requisitos",
        "Levantamento e refinamento com a área de negócio",
        true,
        &[PORTAL, NOTA_FISCAL],
    ),
    (
        "Codificação",
        "Implementação de histórias e correções",
        true,
        &[PORTAL, NOTA_FISCAL, SUSTENTACAO],
    ),
    (
        "Documentação",
        "Manuais, decisões de arquitetura e notas de versão",
        true,
        &[PORTAL],
    ),
    (
        "Implantação",
        "Publicação de versões e acompanhamento",
        true,
        &[NOTA_FISCAL, SUSTENTACAO],
    ),
    (
        "Reunião",
        "Cerimônias do time e alinhamentos",
        true,
        &[PORTAL, NOTA_FISCAL, SUSTENTACAO],
    ),
    (
        "Revisão de código",
        "Leitura de pull requests",
        true,
        &[PORTAL, NOTA_FISCAL],
    ),
    (
        "Suporte ao usuário",
        "Atendimento de chamados de segundo nível",
        true,
        &[SUSTENTACAO],
    ),
    (
        "Testes manuais",
        "Substituída por testes automatizados",
        false,
        &[PORTAL],
    ),
];

/// Authors of the sample hours: the mock user, and a colleague.
const DEV_USER: (&str, &str, Option<&str>) = ("dev-user-001", "Dev User", Some("dev@localhost"));
const COLLEAGUE: (&str, &str, Option<&str>) = (
    "3f0a5c11-2222-4b4b-8c8c-5d5d5d5d5d5d",
    "Ana Exemplo",
    Some("ana@contoso.com"),
);

/// Days before today, author, work item, project, activity, minutes, comment.
type Entry = (
    u64,
    (&'static str, &'static str, Option<&'static str>),
    i32,
    Uuid,
    &'static str,
    i64,
    Option<&'static str>,
);

/// A week of work.
const APONTAMENTOS: [Entry; 12] = [
    (
        6,
        DEV_USER,
        101,
        PORTAL,
        "Análise de requisitos",
        180,
        Some("Entrevista com a área de negócio"),
    ),
    (6, DEV_USER, 102, PORTAL, "Codificação", 240, None),
    (
        5,
        DEV_USER,
        102,
        PORTAL,
        "Codificação",
        400,
        Some("Cadastro de contribuintes"),
    ),
    (5, COLLEAGUE, 102, PORTAL, "Revisão de código", 90, None),
    (
        4,
        DEV_USER,
        103,
        NOTA_FISCAL,
        "Codificação",
        310,
        Some("Assinatura do XML"),
    ),
    (4, DEV_USER, 101, PORTAL, "Reunião", 60, Some("Planejamento")),
    (3, DEV_USER, 103, NOTA_FISCAL, "Implantação", 45, None),
    (
        3,
        DEV_USER,
        104,
        SUSTENTACAO,
        "Suporte ao usuário",
        125,
        Some("Chamado da segunda linha"),
    ),
    (2, COLLEAGUE, 103, NOTA_FISCAL, "Codificação", 480, None),
    (1, DEV_USER, 102, PORTAL, "Documentação", 95, None),
    (
        1,
        DEV_USER,
        102,
        PORTAL,
        "Codificação",
        220,
        Some("Ajustes da revisão"),
    ),
    (0, DEV_USER, 104, SUSTENTACAO, "Reunião", 30, None),
];

/// Plants the data, all or none, unless there are projects already; those cannot be deleted, so data that a
/// person removed do not come back. The week ends with `today`. Returns whether it planted.
///
/// # Errors
/// When the database refuses.
pub async fn plant(db: &Db, today: NaiveDate) -> anyhow::Result<bool> {
    let mut tx = db.begin(&Scope::Maintenance).await?;
    if !projetos::is_empty(&mut tx).await? {
        return Ok(false);
    }
    #[expect(clippy::disallowed_methods, reason = "sample data are as old as they are")]
    let now = chrono::Utc::now();
    let contoso = NomeOrganizacao::parse("contoso").map_err(anyhow::Error::msg)?;
    let contoso = ChaveOrganizacao::first_of(&contoso);
    let rows: Vec<ProjetoUpstream> = PROJETOS
        .iter()
        .map(|(id, nome, descricao)| projeto(*id, nome, descricao, contoso.clone()))
        .collect();
    projetos::upsert(&mut tx, &rows, now).await?;
    let mut by_name = HashMap::new();
    for (nome, descricao, ativo, ids) in ATIVIDADES {
        let new = NewAtividade {
            nome: NomeAtividade::parse(nome).context("a name of the sample data is not valid")?,
            descricao: Some(descricao.to_owned()),
            ativo,
            projetos: ids.to_vec(),
            criado_por: "seed".to_owned(),
        };
        let id = AtividadeId::generate();
        by_name.insert(nome, id);
        atividades::insert(&mut tx, id, &new).await?;
        let ids: Vec<ProjetoId> = ids.iter().copied().map(ProjetoId).collect();
        atividades::link_projetos(&mut tx, id, &ids).await?;
    }
    for entry in APONTAMENTOS {
        log(&mut tx, &contoso, &by_name, today, entry).await?;
    }
    tx.commit().await?;
    Ok(true)
}

async fn log(
    tx: &mut Tx,
    organizacao: &ChaveOrganizacao,
    by_name: &HashMap<&str, AtividadeId>,
    today: NaiveDate,
    entry: Entry,
) -> anyhow::Result<()> {
    let (days_ago, (id, nome, email), work_item_id, projeto, atividade, minutes, comentario) = entry;
    let row = ApontamentoRow {
        id: ApontamentoId::generate(),
        organizacao,
        projeto: ProjetoId(projeto),
        work_item_id,
        data: today - Days::new(days_ago),
        duracao: Duracao::from_minutes(minutes).context("a length of the sample data is not valid")?,
        atividade: *by_name
            .get(atividade)
            .context("the sample data name an unknown activity")?,
        comentario,
        usuario: &Pessoa {
            id: id.to_owned(),
            nome: nome.to_owned(),
            email: email.map(str::to_owned),
        },
        registrado_por: None,
        versao_escrita: None,
    };
    apontamentos::insert(tx, &row).await?;
    Ok(())
}

fn projeto(id: Uuid, nome: &str, descricao: &str, organizacao: ChaveOrganizacao) -> ProjetoUpstream {
    ProjetoUpstream {
        external_id: id,
        nome: nome.to_owned(),
        descricao: Some(descricao.to_owned()),
        url: Some(format!("https://dev.azure.com/contoso/_apis/projects/{id}")),
        estado: Some("wellFormed".to_owned()),
        organizacao,
    }
}
