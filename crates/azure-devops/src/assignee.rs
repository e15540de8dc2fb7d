//! The assignee of a work item. Most responses contain an object; old servers, and some
//! responses of new ones, contain text: `Name <account>`.

use aponta_domain::text::{NAME_MAX, from_upstream};
use serde_json::Value;
use uuid::Uuid;

/// Assignee of a work item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignee {
    /// Identity, if the response contains it.
    pub id: Option<Uuid>,
    /// Display name.
    pub nome: String,
    /// E-mail or account, if the response contains it.
    pub unique_name: Option<String>,
}

impl Assignee {
    /// Parses the value of an identity field. Returns `None` if the value names no person.
    pub(super) fn read(field: &Value) -> Option<Self> {
        let text = |name: &str| Some(field.get(name)?.as_str()?.to_owned());
        match field {
            Value::String(text) => Self::from_text(text.trim()),
            Value::Object(_) => Some(Self {
                id: text("id").and_then(|id| Uuid::parse_str(&id).ok()),
                nome: from_upstream(&text("displayName").or_else(|| text("uniqueName"))?, NAME_MAX),
                unique_name: text("uniqueName"),
            }),
            _ => None,
        }
    }

    fn from_text(text: &str) -> Option<Self> {
        let parts = text.strip_suffix('>').and_then(|rest| rest.rsplit_once('<'));
        let (nome, account) = match parts {
            Some((nome, account)) => (nome.trim(), Some(account.trim())),
            None => (text, Some(text).filter(|text| text.contains('@'))),
        };
        let account = account.filter(|account| !account.is_empty());
        let nome = Some(nome).filter(|nome| !nome.is_empty()).or(account)?;
        Some(Self {
            id: None,
            nome: from_upstream(nome, NAME_MAX),
            unique_name: account.map(str::to_owned),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn read_text_returns_name_and_account() {
        let read = |text: &str| {
            let found = Assignee::read(&json!(text))?;
            Some((found.nome, found.unique_name.unwrap_or_default()))
        };
        let pair = |nome: &str, account: &str| Some((nome.to_owned(), account.to_owned()));
        assert_eq!(
            read("Ana Exemplo <ana@contoso.example>"),
            pair("Ana Exemplo", "ana@contoso.example")
        );
        assert_eq!(
            read("Ana <Vendas> <CONTOSO\\ana>"),
            pair("Ana <Vendas>", "CONTOSO\\ana")
        );
        assert_eq!(
            read("<ana@contoso.example>"),
            pair("ana@contoso.example", "ana@contoso.example")
        );
        assert_eq!(
            read("ana@contoso.example"),
            pair("ana@contoso.example", "ana@contoso.example")
        );
        assert_eq!(read(" Ana Exemplo "), pair("Ana Exemplo", ""));
        assert_eq!(read("Ana <>"), pair("Ana", ""));
        assert_eq!(
            (read(""), read("<>"), Assignee::read(&json!(7))),
            (None, None, None)
        );
    }
}
