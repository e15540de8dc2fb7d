//! Lists of activities that were read before. Frontends ask for them with every form, and they change a few times a month: PostgreSQL is
//! asked each time whether one still holds, which takes a fifth of reading it.

use std::sync::Arc;

use moka::future::Cache;
use uuid::Uuid;

use crate::models::atividade::{Atividade, AtividadeFilter};
use crate::models::organizacao::Scope;
use crate::models::page::{Page, Paged};

/// Most bytes of all lists together.
const MOST_BYTES: u64 = 4 << 20;
/// What a list takes, however short: what was asked, by whom, and the cache's own notes. Strangers can ask for many empty ones.
const LIST_BYTES: usize = 1024;
/// What an activity and a project of its own take besides their texts.
const ROW_BYTES: usize = 200;

/// What was asked for, by somebody who sees so much.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Asked {
    pub(super) scope: Scope,
    pub(super) filter: AtividadeFilter,
    pub(super) page: Page,
}

/// A list, and the state of the activities that it was read from.
#[derive(Debug, Clone)]
struct Kept {
    versao: Uuid,
    list: Arc<Paged<Atividade>>,
}

/// The lists of one process. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Lists(Cache<Asked, Kept>);

impl Lists {
    pub(super) fn new() -> Self {
        let lists = Cache::builder()
            .max_capacity(MOST_BYTES)
            .weigher(|_: &Asked, kept: &Kept| u32::try_from(bytes(&kept.list)).unwrap_or(u32::MAX));
        Self(lists.build())
    }

    /// The list, if it was read from this state.
    pub(super) async fn find(&self, asked: &Asked, versao: Uuid) -> Option<Arc<Paged<Atividade>>> {
        let kept = self.0.get(asked).await?;
        (kept.versao == versao).then_some(kept.list)
    }

    /// Keeps a list that was read after its state was asked for: should the state have changed in between, it is merely read again.
    pub(super) async fn keep(&self, asked: Asked, versao: Uuid, list: &Arc<Paged<Atividade>>) {
        let list = Arc::clone(list);
        self.0.insert(asked, Kept { versao, list }).await;
    }
}

fn bytes(list: &Paged<Atividade>) -> usize {
    let of_text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let of_one = |one: &Atividade| {
        let projetos: usize = one.projetos.iter().map(|p| ROW_BYTES + p.nome.len()).sum();
        ROW_BYTES + one.nome.len() + of_text(&one.descricao) + of_text(&one.criado_por) + projetos
    };
    LIST_BYTES + list.items.iter().map(of_one).sum::<usize>()
}
