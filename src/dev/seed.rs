//! A small believable data set for newcomers, planted once.

use anyhow::Context;
use uuid::Uuid;

use crate::db::Db;
use crate::models::atividade::{NewAtividade, NomeAtividade};
use crate::models::ids::{AtividadeId, ProjetoId};
use crate::models::organizacao::{NomeOrganizacao, Scope};
use crate::models::projeto::ProjetoUpstream;
use crate::repositories::{atividades, projetos};

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

/// Plants the data, all or none, unless there are projects already; nobody can delete those, so data that a person removed do
/// not come back. Returns whether it planted.
///
/// # Errors
/// When the database refuses.
pub async fn plant(db: &Db) -> anyhow::Result<bool> {
    let mut tx = db.begin(&Scope::Maintenance).await?;
    if !projetos::is_empty(&mut tx).await? {
        return Ok(false);
    }
    #[expect(clippy::disallowed_methods, reason = "sample data are as old as they are")]
    let now = chrono::Utc::now();
    let contoso = NomeOrganizacao::parse("contoso").map_err(anyhow::Error::msg)?;
    let rows: Vec<ProjetoUpstream> = PROJETOS
        .iter()
        .map(|(id, nome, descricao)| projeto(*id, nome, descricao, contoso.clone()))
        .collect();
    projetos::upsert(&mut tx, &rows, now).await?;
    for (nome, descricao, ativo, ids) in ATIVIDADES {
        let new = NewAtividade {
            nome: NomeAtividade::parse(nome).context("a name of the sample data is not valid")?,
            descricao: Some(descricao.to_owned()),
            ativo,
            projetos: ids.to_vec(),
            criado_por: "seed".to_owned(),
        };
        let id = AtividadeId::generate();
        atividades::insert(&mut tx, id, &new).await?;
        let ids: Vec<ProjetoId> = ids.iter().copied().map(ProjetoId).collect();
        atividades::link_projetos(&mut tx, id, &ids).await?;
    }
    tx.commit().await?;
    Ok(true)
}

fn projeto(id: Uuid, nome: &str, descricao: &str, organizacao: NomeOrganizacao) -> ProjetoUpstream {
    ProjetoUpstream {
        external_id: id,
        nome: nome.to_owned(),
        descricao: Some(descricao.to_owned()),
        url: Some(format!("https://dev.azure.com/contoso/_apis/projects/{id}")),
        estado: Some("wellFormed".to_owned()),
        organizacao,
    }
}
