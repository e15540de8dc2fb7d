//! Requests that are sent again: the same key and the same content get the first answer for a day; key and entry are
//! stored in one transaction (draft-ietf-httpapi-idempotency-key-header-07). Refusals had no effect and are not kept: such a
//! request is simply tried again.

use std::time::Duration;

use aws_lc_rs::digest;

use crate::db::Tx;
use crate::error::{Error, Result};
use crate::models::apontamento::{Apontamento, NewApontamento, ProjetoNomeado};
use crate::models::idempotencia::{Chave, Respondido};
use crate::models::organizacao::ChaveOrganizacao;
use crate::repositories::idempotencia::{self as repo, Requisicao};

/// How long an answer is kept.
pub(super) const TTL: Duration = Duration::from_hours(24);

/// A key and what came with it.
#[derive(Debug)]
pub(super) struct Repeatable<'a> {
    pub(super) organizacao: &'a ChaveOrganizacao,
    pub(super) usuario: &'a str,
    pub(super) chave: &'a Chave,
    pub(super) impressao: Vec<u8>,
}

impl<'a> Repeatable<'a> {
    pub(super) fn new(
        new: &NewApontamento,
        organizacao: &'a ChaveOrganizacao,
        usuario: &'a str,
        chave: &'a Chave,
    ) -> Self {
        Self {
            organizacao,
            usuario,
            chave,
            impressao: fingerprint(new, organizacao),
        }
    }

    fn requisicao(&self) -> Requisicao<'_> {
        Requisicao {
            organizacao: self.organizacao,
            usuario: self.usuario,
            chave: self.chave,
        }
    }

    /// The first answer, if there was one.
    ///
    /// # Errors
    /// [`Error::Rule`] when the key came with something else, [`Error::Conflict`] while the first request waits for its hours
    /// to be written.
    pub(super) async fn answered(&self, tx: &mut Tx) -> Result<Option<Apontamento>> {
        let first = repo::find(tx, self.requisicao(), TTL).await?;
        first.map(|first| self.answer(&first)).transpose()
    }

    /// Keeps others with this key out until the transaction ends, unless there was a first answer.
    ///
    /// # Errors
    /// As for [`answered`](Self::answered), and [`Error::Conflict`] when another one of the key is at it.
    pub(super) async fn enter(&self, tx: &mut Tx) -> Result<Option<Apontamento>> {
        let entered = repo::enter(tx, self.requisicao(), TTL).await?;
        match entered.first {
            Some(first) => self.answer(&first).map(Some),
            None if entered.locked => Ok(None),
            None => Err(still_running()),
        }
    }

    fn answer(&self, first: &Respondido) -> Result<Apontamento> {
        if first.impressao != self.impressao {
            return Err(Error::Rule {
                code: "chave_reutilizada",
                detail: "Esta Idempotency-Key já foi usada com outro conteúdo".to_owned(),
                loc: vec!["header".into(), "Idempotency-Key".into()],
            });
        }
        if first.provisoria {
            return Err(still_running());
        }
        serde_json::from_str(&first.resposta).map_err(|error| Error::Internal(Box::new(error)))
    }

    /// Remembers the answer, in the transaction of the entry. Whoever repeats the request within `provisional_for` waits for
    /// [`amend`](Self::amend); after that, should the process have died, this is the answer.
    ///
    /// # Errors
    /// [`Error::Conflict`] when another one of this key was answered since [`enter`](Self::enter) looked.
    pub(super) async fn remember(
        &self,
        tx: &mut Tx,
        answer: &Apontamento,
        provisional_for: Duration,
    ) -> Result<()> {
        let text = as_text(answer)?;
        if repo::insert(
            tx,
            self.requisicao(),
            &self.impressao,
            &text,
            provisional_for,
            TTL,
        )
        .await?
        {
            return Ok(());
        }
        Err(still_running())
    }

    /// Replaces it by what is told at last: how far the hours got meanwhile.
    pub(super) async fn amend(&self, tx: &mut Tx, answer: &Apontamento) -> Result<()> {
        repo::update(tx, self.requisicao(), &as_text(answer)?).await?;
        Ok(())
    }
}

/// What a caller learns whose request with the same key is still being handled.
#[must_use]
pub fn still_running() -> Error {
    Error::Conflict {
        code: "requisicao_em_andamento",
        detail: "Uma requisição com esta Idempotency-Key está em andamento; tente novamente".to_owned(),
    }
}

fn as_text(answer: &Apontamento) -> Result<String> {
    serde_json::to_string(answer).map_err(|error| Error::Internal(Box::new(error)))
}

/// A hash of what is asked for. Spellings of dates, lengths, GUIDs and organisations do not count; a project by its name and by
/// its GUID are two, since nobody is asked here.
fn fingerprint(new: &NewApontamento, organizacao: &ChaveOrganizacao) -> Vec<u8> {
    let projeto = match &new.projeto {
        ProjetoNomeado::Id(id) => id.to_string(),
        ProjetoNomeado::Nome(nome) => nome.to_lowercase(),
    };
    let optional = |text: &Option<String>| text.as_ref().map_or_else(String::new, |text| format!("={text}"));
    let parts = [
        organizacao.to_string(),
        projeto,
        new.work_item_id.to_string(),
        new.data.to_string(),
        new.duracao.to_string(),
        new.atividade.to_string(),
        optional(&new.comentario),
        optional(&new.usuario.id).to_lowercase(),
    ];
    digest::digest(&digest::SHA256, parts.join("\u{1f}").as_bytes())
        .as_ref()
        .to_vec()
}
