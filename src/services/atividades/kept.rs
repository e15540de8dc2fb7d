//! Activities that were read before, one or a list of them. Frontends ask for them with every form, and they
//! change a few times a month: PostgreSQL is asked each time whether what is kept still holds, which takes a
//! fifth of reading a list and a third of reading one.

use std::sync::Arc;

use moka::future::Cache;
use uuid::Uuid;

use crate::models::atividade::{Atividade, AtividadeFilter};
use crate::models::ids::AtividadeId;
use crate::models::organizacao::Scope;
use crate::models::page::{Page, Paged};

/// Most bytes of all answers together.
const MOST_BYTES: u64 = 4 << 20;
/// Size of an entry beside its answer: question, scope and the cache's own notes. Strangers can ask for many
/// empty lists.
const ANSWER_BYTES: usize = 1024;
/// What an activity and a project of its own take besides their texts.
const ROW_BYTES: usize = 200;

/// Cache key: caller's scope and question.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Asked {
    pub(super) scope: Scope,
    pub(super) what: What,
}

/// What can be asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum What {
    Page(AtividadeFilter, Page),
    /// Answered by a list of one.
    One(AtividadeId),
}

/// An answer, and the state of the activities that it was read from.
#[derive(Debug, Clone)]
struct Answer {
    versao: Uuid,
    found: Arc<Paged<Atividade>>,
}

/// The answers of one process. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Answers(Cache<Asked, Answer>);

impl Answers {
    pub(super) fn new() -> Self {
        let answers = Cache::builder()
            .max_capacity(MOST_BYTES)
            .weigher(|_: &Asked, answer: &Answer| u32::try_from(bytes(&answer.found)).unwrap_or(u32::MAX));
        Self(answers.build())
    }

    /// The answer, if it was read from this state.
    pub(super) async fn find(&self, asked: &Asked, versao: Uuid) -> Option<Arc<Paged<Atividade>>> {
        let answer = self.0.get(asked).await?;
        (answer.versao == versao).then_some(answer.found)
    }

    /// Keeps an answer that was read after its state was asked for: should the state have changed in between,
    /// it is merely read again.
    pub(super) async fn keep(&self, asked: Asked, versao: Uuid, found: &Arc<Paged<Atividade>>) {
        let found = Arc::clone(found);
        self.0.insert(asked, Answer { versao, found }).await;
    }
}

fn bytes(found: &Paged<Atividade>) -> usize {
    let of_text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let of_one = |one: &Atividade| {
        let projetos: usize = one.projetos.iter().map(|p| ROW_BYTES + p.nome.len()).sum();
        ROW_BYTES + one.nome.len() + of_text(&one.descricao) + of_text(&one.criado_por) + projetos
    };
    ANSWER_BYTES + found.items.iter().map(of_one).sum::<usize>()
}
