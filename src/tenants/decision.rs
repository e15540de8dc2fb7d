//! Decides the meaning of an organisation's answer under a name, from the table alone, without a call.

use uuid::Uuid;

use crate::models::organizacao::{ChaveOrganizacao, NomeOrganizacao, OrganizacaoRegistrada};

/// Meaning of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Decision {
    /// The organisation is known under this name.
    Seen(ChaveOrganizacao),
    /// The organisation has rows from before its first proof, which is this one.
    Pin(ChaveOrganizacao),
    /// The organisation is new. `from` loses the name.
    Insert {
        chave: ChaveOrganizacao,
        from: Option<ChaveOrganizacao>,
    },
    /// The organisation is known under another name. `from` loses the new name.
    Rename {
        chave: ChaveOrganizacao,
        before: Option<NomeOrganizacao>,
        from: Option<ChaveOrganizacao>,
    },
    /// The name belongs or belonged to another organisation.
    Replaced,
}

/// Decides the meaning of an answer of `instance_id` under `nome`. `adopt`: an operator confirms that the
/// organisation owns the name.
pub(super) fn decide(
    known: &[OrganizacaoRegistrada],
    nome: &NomeOrganizacao,
    instance_id: Uuid,
    adopt: bool,
) -> Decision {
    let own = known.iter().find(|row| row.instance_id == Some(instance_id));
    let holder = known.iter().find(|row| row.nome.as_ref() == Some(nome));
    let is_other = |row: &&OrganizacaoRegistrada| row.instance_id != Some(instance_id);
    // Rows without a proof may belong to the organisation that answers.
    let claimed = known.iter().filter(is_other).any(|row| {
        let may_be_own = own.is_none() && row.instance_id.is_none() && row.nome.as_ref() == Some(nome);
        row.claims(nome) && !may_be_own && (row.instance_id.is_some() || own.is_none())
    });
    let from = holder.filter(is_other).map(|row| row.chave.clone());
    match own {
        Some(row) if row.nome.as_ref() == Some(nome) => Decision::Seen(row.chave.clone()),
        _ if claimed && !adopt => Decision::Replaced,
        // Both names may answer for a while; the proved name remains.
        Some(row) if !adopt && row.was_called(nome) && row.nome.is_some() && !row.unseen => {
            Decision::Seen(row.chave.clone())
        }
        Some(row) => Decision::Rename {
            chave: row.chave.clone(),
            before: row.nome.clone(),
            from,
        },
        None => match holder {
            Some(row) if row.instance_id.is_none() => Decision::Pin(row.chave.clone()),
            _ => Decision::Insert {
                chave: free_key(known, nome),
                from,
            },
        },
    }
}

/// Returns the name itself, or the first of `name~2`, `name~3`, ... that is not a key yet.
fn free_key(known: &[OrganizacaoRegistrada], nome: &NomeOrganizacao) -> ChaveOrganizacao {
    let is_free = |chave: &ChaveOrganizacao| known.iter().all(|row| row.chave != *chave);
    let first = ChaveOrganizacao::first_of(nome);
    let more = (2..).map(|n| ChaveOrganizacao::nth_of(nome, n));
    let mut keys = std::iter::once(first.clone()).chain(more);
    keys.find(is_free).unwrap_or(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::organizacao::NomeAnterior;

    const OURS: Uuid = Uuid::from_u128(1);
    const THEIRS: Uuid = Uuid::from_u128(2);

    fn nome(text: &str) -> NomeOrganizacao {
        NomeOrganizacao::parse(text).unwrap()
    }

    fn chave(text: &str) -> ChaveOrganizacao {
        ChaveOrganizacao::first_of(&nome(text))
    }

    fn row(key: &str, present: &str, instance_id: Option<Uuid>, before: &[&str]) -> OrganizacaoRegistrada {
        let anterior = |text: &&str| NomeAnterior {
            nome: nome(text),
            valid: true,
        };
        OrganizacaoRegistrada {
            chave: chave(key),
            nome: (!present.is_empty()).then(|| nome(present)),
            instance_id,
            anteriores: before.iter().map(anterior).collect(),
            unseen: false,
        }
    }

    fn decided(known: &[OrganizacaoRegistrada], text: &str, instance_id: Uuid) -> Decision {
        decide(known, &nome(text), instance_id, false)
    }

    #[test]
    fn first_proof_pins_the_name() {
        let insert = Decision::Insert {
            chave: chave("contoso"),
            from: None,
        };
        assert_eq!(decided(&[], "contoso", OURS), insert);
        let unpinned = [row("contoso", "contoso", None, &[])];
        assert_eq!(
            decided(&unpinned, "contoso", OURS),
            Decision::Pin(chave("contoso"))
        );
        let pinned = [row("contoso", "contoso", Some(OURS), &[])];
        assert_eq!(
            decided(&pinned, "contoso", OURS),
            Decision::Seen(chave("contoso"))
        );
    }

    #[test]
    fn same_instance_under_a_new_name_is_a_rename() {
        let pinned = [row("contoso", "contoso", Some(OURS), &[])];
        let rename = |before: &str, from: Option<&str>| Decision::Rename {
            chave: chave("contoso"),
            before: Some(nome(before)),
            from: from.map(chave),
        };
        assert_eq!(decided(&pinned, "novo", OURS), rename("contoso", None));
        let mut renamed = [row("contoso", "novo", Some(OURS), &["contoso"])];
        // Both names answer: the present one remains until it is no longer proved.
        assert_eq!(
            decided(&renamed, "contoso", OURS),
            Decision::Seen(chave("contoso"))
        );
        renamed[0].unseen = true;
        assert_eq!(decided(&renamed, "contoso", OURS), rename("novo", None));
        // Rows that were stored under the new name before its first proof do not prevent the rename.
        let twice = [
            row("contoso", "contoso", Some(OURS), &[]),
            row("novo", "novo", None, &[]),
        ];
        assert_eq!(decided(&twice, "novo", OURS), rename("contoso", Some("novo")));
    }

    #[test]
    fn another_instance_under_a_known_name_is_replaced() {
        for known in [
            row("contoso", "contoso", Some(OURS), &[]),
            row("contoso", "novo", Some(OURS), &["contoso"]),
            row("contoso", "", Some(OURS), &["contoso"]),
            row("outra", "novo", Some(OURS), &["contoso"]),
        ] {
            assert_eq!(
                decided(std::slice::from_ref(&known), "contoso", THEIRS),
                Decision::Replaced,
                "{known:?}"
            );
            let both = [known, row("fabrikam", "fabrikam", Some(THEIRS), &[])];
            assert_eq!(
                decided(&both, "contoso", THEIRS),
                Decision::Replaced,
                "known elsewhere"
            );
        }
    }

    #[test]
    fn adoption_of_another_instance_gets_its_own_key() {
        let adopted = |known: &[OrganizacaoRegistrada]| decide(known, &nome("contoso"), THEIRS, true);
        let ours = row("contoso", "contoso", Some(OURS), &[]);
        let second = ChaveOrganizacao::nth_of(&nome("contoso"), 2);
        let insert = Decision::Insert {
            chave: second.clone(),
            from: Some(chave("contoso")),
        };
        assert_eq!(adopted(std::slice::from_ref(&ours)), insert);
        let renamed = row("contoso", "novo", Some(OURS), &["contoso"]);
        let insert = Decision::Insert {
            chave: second,
            from: None,
        };
        assert_eq!(adopted(&[renamed]), insert);
        let rename = Decision::Rename {
            chave: chave("fabrikam"),
            before: Some(nome("fabrikam")),
            from: Some(chave("contoso")),
        };
        assert_eq!(
            adopted(&[ours, row("fabrikam", "fabrikam", Some(THEIRS), &[])]),
            rename
        );
    }

    #[test]
    fn long_names_leave_room_for_the_number() {
        let long = nome(&"a".repeat(64));
        assert_eq!(ChaveOrganizacao::nth_of(&long, 2).as_str().len(), 64);
        assert!(ChaveOrganizacao::nth_of(&long, 12).as_str().ends_with("a~12"));
    }
}
