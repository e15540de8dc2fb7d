//! Mapping of single values of the FastAPI service to ours. The error of a value is a sentence fragment for
//! the operator.

use aponta_domain::atividade::NomeAtividade;
use aponta_domain::duracao::{Duracao, DuracaoInvalida};
use aponta_domain::organizacao::{ChaveOrganizacao, Names, NomeOrganizacao};
use uuid::Uuid;

use crate::source::ApontamentoRow;
use crate::target::Entry;

/// Name for activities with a blank name, which the FastAPI service accepted.
const SEM_NOME: &str = "(sem nome)";

/// Time entry whose project is not resolved yet.
#[derive(Debug)]
pub(super) struct Mapped {
    pub(super) organizacao: ChaveOrganizacao,
    pub(super) project_id: String,
    work_item_id: i32,
    duracao: Duracao,
    row: ApontamentoRow,
}

impl Mapped {
    /// Returns the entry to be stored, with its project.
    pub(super) fn in_projeto(self, id_projeto: Uuid) -> Entry {
        let Self {
            organizacao,
            work_item_id,
            duracao,
            row,
            ..
        } = self;
        Entry {
            id: row.id,
            organizacao: organizacao.to_string(),
            id_projeto,
            work_item_id,
            data: row.data_apontamento,
            minutos: duracao.minutes().into(),
            id_atividade: row.id_atividade,
            comentario: row.comentario,
            usuario_id: identity(row.usuario_id),
            usuario_nome: row.usuario_nome,
            usuario_email: row.usuario_email,
            criado_em: row.criado_em,
            atualizado_em: row.atualizado_em,
        }
    }
}

/// Maps all values of an entry except its project.
pub(super) fn apontamento(names: &Names, row: ApontamentoRow) -> Result<Mapped, String> {
    let organizacao = organizacao(names, &row.organization_name)?;
    let work_item_id = i32::try_from(row.work_item_id).ok().filter(|id| *id > 0);
    let work_item_id = work_item_id.ok_or_else(|| format!("{} is no work item", row.work_item_id))?;
    let duracao = duracao(&row)?;
    let project_id = row.project_id.trim().to_owned();
    Ok(Mapped {
        organizacao,
        project_id,
        work_item_id,
        duracao,
        row,
    })
}

/// Returns the key of the organisation with this name.
pub(super) fn organizacao(names: &Names, text: &str) -> Result<ChaveOrganizacao, String> {
    let nome = NomeOrganizacao::parse(text).map_err(|why| format!("its organisation {text:?} {why}"))?;
    let chave = names.chave_of(&nome);
    chave.ok_or_else(|| format!("its organisation {nome} lost that name to another one"))
}

/// Returns the key of the organisation of a project. Without a name, returns that of `otherwise`, the
/// organisation from the options, or else an empty text.
pub(super) fn organizacao_of(
    names: &Names,
    text: Option<&str>,
    otherwise: Option<&NomeOrganizacao>,
) -> Result<String, String> {
    match text.map(str::trim).filter(|text| !text.is_empty()) {
        Some(text) => organizacao(names, text).map(|chave| chave.to_string()),
        None => match otherwise {
            Some(nome) => organizacao(names, nome.as_str()).map(|chave| chave.to_string()),
            None => Ok(String::new()),
        },
    }
}

/// Trims a name and replaces a blank or invalid one; no activity is rejected, because entries depend on it.
pub(super) fn nome_da_atividade(text: &str) -> String {
    NomeAtividade::parse(text).map_or_else(|| SEM_NOME.to_owned(), |nome| nome.as_str().to_owned())
}

/// Parses `HH:mm`; rows of the first revision have hours and minutes instead.
fn duracao(row: &ApontamentoRow) -> Result<Duracao, String> {
    let Some(text) = &row.duracao else {
        let (horas, minutos) = (row.horas.unwrap_or_default(), row.minutos.unwrap_or_default());
        let total = horas.checked_mul(60).and_then(|total| total.checked_add(minutos));
        return total
            .and_then(Duracao::from_minutes)
            .ok_or_else(|| format!("{horas} hours and {minutos} minutes are not 00:01 to 24:00"));
    };
    Duracao::parse(text).map_err(|why| {
        let why = match why {
            DuracaoInvalida::Formato => "is not HH:mm",
            DuracaoInvalida::Zero => "is nothing",
            DuracaoInvalida::MaisDe24Horas => "is more than 24:00",
        };
        format!("its duration {text:?} {why}")
    })
}

/// Returns the id of a person as Azure DevOps spells the GUID, because clients of the FastAPI service sent
/// any spelling. A text that is not a GUID is returned unchanged.
fn identity(text: String) -> String {
    Uuid::try_parse(text.trim()).map_or(text, |id| id.to_string())
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, NaiveDate};
    use proptest::prelude::*;

    use super::*;
    use aponta_domain::arbitrary;

    fn row(duracao: Option<&str>, horas: i64, minutos: i64) -> ApontamentoRow {
        ApontamentoRow {
            id: Uuid::nil(),
            work_item_id: 1,
            project_id: " Portal ".to_owned(),
            organization_name: "Contoso".to_owned(),
            data_apontamento: NaiveDate::default(),
            id_atividade: Uuid::nil(),
            duracao: duracao.map(str::to_owned),
            horas: Some(horas),
            minutos: Some(minutos),
            comentario: None,
            usuario_id: "{3F0A5C11-2222-4B4B-8C8C-5D5D5D5D5D5D}".to_owned(),
            usuario_nome: "Ana".to_owned(),
            usuario_email: None,
            criado_em: DateTime::default(),
            atualizado_em: DateTime::default(),
        }
    }

    #[test]
    fn entry_is_identified_by_its_canonical_names() {
        let mapped = apontamento(&Names::default(), row(Some("2:30"), 0, 0)).unwrap();
        assert_eq!(
            (mapped.organizacao.as_str(), &*mapped.project_id),
            ("contoso", "Portal")
        );
        let entry = mapped.in_projeto(Uuid::nil());
        assert_eq!(entry.minutos, 150);
        assert_eq!(entry.usuario_id, "3f0a5c11-2222-4b4b-8c8c-5d5d5d5d5d5d");
        assert_eq!(identity("dev-user-001".to_owned()), "dev-user-001");
    }

    #[test]
    fn durations_of_both_revisions_are_read() {
        let minutes = |row: &ApontamentoRow| duracao(row).map(Duracao::minutes);
        assert_eq!(minutes(&row(Some("24:00"), 0, 0)), Ok(1_440));
        assert_eq!(minutes(&row(None, 7, 45)), Ok(465));
        for bad in ["00:00", "24:59", "7:5", "08:00\n", ""] {
            assert!(minutes(&row(Some(bad), 0, 0)).is_err(), "{bad}");
        }
        assert!(minutes(&row(None, 0, 0)).is_err());
        assert!(minutes(&row(None, i64::MAX, 1)).is_err());
    }

    #[test]
    fn invalid_work_item_or_organisation_has_a_reason() {
        let mut bad = row(Some("01:00"), 0, 0);
        bad.work_item_id = 0;
        assert_eq!(
            apontamento(&Names::default(), bad).unwrap_err(),
            "0 is no work item"
        );
        let mut bad = row(Some("01:00"), 0, 0);
        bad.organization_name = "https://dev.azure.com/contoso".to_owned();
        assert!(
            apontamento(&Names::default(), bad)
                .unwrap_err()
                .contains("is not the name of an organisation")
        );
        let default = NomeOrganizacao::parse("contoso").unwrap();
        assert_eq!(
            organizacao_of(&Names::default(), Some(" "), Some(&default)),
            Ok("contoso".to_owned())
        );
        assert_eq!(organizacao_of(&Names::default(), None, None), Ok(String::new()));
        assert_eq!(nome_da_atividade(" \u{200b} "), SEM_NOME);
    }

    proptest! {
        #[test]
        fn any_row_becomes_a_valid_entry_or_a_reason(
            duracao in prop::option::of(prop_oneof![arbitrary::text(), "[0-9]{1,2}:[0-9]{2}"]),
            horas in prop_oneof![any::<i64>(), -2_i64..26], minutos in prop_oneof![any::<i64>(), -2_i64..70],
            work_item_id in prop_oneof![any::<i64>(), 1_i64..100],
            organization in prop_oneof![arbitrary::text(), "[A-Za-z0-9]{1,9}"],
            project in arbitrary::text(), user in arbitrary::text(),
        ) {
            let row = ApontamentoRow {
                work_item_id, organization_name: organization.clone(), project_id: project.clone(),
                usuario_id: user.clone(),
                ..row(duracao.as_deref(), horas, minutos)
            };
            match apontamento(&Names::default(), row) {
                Ok(mapped) => {
                    prop_assert_eq!(&mapped.project_id, project.trim());
                    let entry = mapped.in_projeto(Uuid::nil());
                    prop_assert!((1..=1_440).contains(&entry.minutos));
                    prop_assert_eq!(i64::from(entry.work_item_id), work_item_id);
                    prop_assert!(entry.work_item_id > 0);
                    prop_assert_eq!(&entry.organizacao, &organization.trim().to_ascii_lowercase());
                    prop_assert_eq!(identity(entry.usuario_id.clone()), entry.usuario_id);
                    if duracao.is_none() {
                        prop_assert_eq!(i64::from(entry.minutos), horas * 60 + minutos);
                    }
                }
                Err(why) => prop_assert!(!why.is_empty()),
            }
        }

        #[test]
        fn any_activity_gets_a_valid_name(text in prop_oneof![arbitrary::text(), "(?s).{0,300}"]) {
            let nome = nome_da_atividade(&text);
            prop_assert!(NomeAtividade::parse(&nome).is_some_and(|taken| taken.as_str() == nome));
        }

        #[test]
        fn identity_in_any_spelling_is_one(id: u128) {
            let id = Uuid::from_u128(id);
            for text in [id.to_string().to_uppercase(), id.braced().to_string(), id.simple().to_string()] {
                prop_assert_eq!(identity(format!(" {text}\n")), id.to_string());
            }
        }
    }
}
