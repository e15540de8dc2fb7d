//! Whose hours: identity comes from the token, never from the body (D-02); others' entries are for administrators (D-03).

use uuid::Uuid;

use crate::auth::CurrentUser;
use crate::error::{Error, Result};
use crate::models::apontamento::{Apontamento, Pessoa, UsuarioInformado};
use crate::models::organizacao::NomeOrganizacao;
use crate::models::papel::Papel;

/// Whose hours these are, and who enters them if that is somebody else.
#[derive(Debug)]
pub(super) struct Author {
    pub(super) usuario: Pessoa,
    pub(super) registrado_por: Option<Pessoa>,
}

impl Author {
    /// Who enters it.
    pub(super) fn writer(&self) -> &Pessoa {
        self.registrado_por.as_ref().unwrap_or(&self.usuario)
    }
}

/// Compares what the body says with who is calling.
///
/// # Errors
/// [`Error::Forbidden`] when it names somebody else, except for administrators, whose somebody must exist.
pub(super) async fn author(
    user: &CurrentUser,
    organizacao: &NomeOrganizacao,
    said: &UsuarioInformado,
) -> Result<Author> {
    let me = user.as_known_in(organizacao);
    let same = |id: &String| id.eq_ignore_ascii_case(&me.id) || id.eq_ignore_ascii_case(&user.id);
    let Some(id) = said.id.as_ref().filter(|id| !same(id)) else {
        let known = me.email.as_deref().or(user.email.as_deref());
        if let (Some(known), Some(said)) = (known, said.email.as_deref())
            && known.to_lowercase() != said.to_lowercase()
        {
            return Err(somebody_else());
        }
        return Ok(Author {
            usuario: me,
            registrado_por: None,
        });
    };
    if user.papel != Papel::Admin {
        return Err(somebody_else());
    }
    let usuario = colleague(user, organizacao, id, said).await?;
    Ok(Author {
        usuario,
        registrado_por: Some(me),
    })
}

/// Somebody for whom an administrator enters hours: as the organisation knows them, where it can be asked.
async fn colleague(
    user: &CurrentUser,
    organizacao: &NomeOrganizacao,
    id: &str,
    said: &UsuarioInformado,
) -> Result<Pessoa> {
    let unknown = || Error::InvalidReference(format!("Usuário não encontrado: {id}"));
    let asked = user.member_of(organizacao).ok().and_then(|m| Some((m, m.pat()?)));
    let Some((membership, pat)) = asked else {
        return Ok(Pessoa {
            id: id.to_lowercase(),
            nome: said.nome.clone().unwrap_or_else(|| id.to_owned()),
            email: said.email.clone(),
        });
    };
    let guid = Uuid::parse_str(id).map_err(|_| unknown())?;
    let identity = membership.organizacao().identity(pat, guid).await?;
    let identity = identity.ok_or_else(unknown)?;
    Ok(Pessoa {
        id: identity.id.to_string(),
        nome: identity
            .nome
            .or_else(|| said.nome.clone())
            .unwrap_or_else(|| id.to_owned()),
        email: identity.email.or_else(|| said.email.clone()),
    })
}

/// Refuses to change an entry that is neither the caller's own nor an administrator's business.
pub(super) fn may_change(user: &CurrentUser, entry: &Apontamento) -> Result<()> {
    if user.papel == Papel::Admin || user.ids().contains(&entry.usuario.id) {
        return Ok(());
    }
    Err(Error::Forbidden(
        "Somente o autor do apontamento ou um administrador pode alterá-lo".to_owned(),
    ))
}

/// Whose entries a list shows: the caller's under each of their ids, or one person's for administrators.
pub(super) fn whose(user: &CurrentUser, asked: Option<&String>) -> Result<Vec<String>> {
    let own = user.ids();
    match asked {
        None => Ok(own),
        Some(id) if own.iter().any(|own| own.eq_ignore_ascii_case(id)) => Ok(own),
        Some(id) if user.papel == Papel::Admin => Ok(vec![id.to_lowercase()]),
        Some(_) => Err(Error::Forbidden(
            "Somente administradores podem consultar apontamentos de outras pessoas".to_owned(),
        )),
    }
}

fn somebody_else() -> Error {
    Error::Forbidden(
        "Os dados do usuário não são os de quem está autenticado; ninguém aponta horas por outra pessoa"
            .to_owned(),
    )
}
