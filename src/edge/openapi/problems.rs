//! Problems in the OpenAPI document: each operation names sets of codes, whose responses are components.

use std::collections::{BTreeMap, BTreeSet};
use std::marker::PhantomData;

use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::{
    Content, ContentBuilder, HeaderBuilder, OpenApi, Ref, RefOr, Response, ResponseBuilder,
};
use utoipa::{IntoResponses, PartialSchema};

use super::shared::operations;
use crate::edge::problem::{CONTENT_TYPE_PROBLEM, Problem};
use crate::error::Code;

/// Problem codes of an operation.
pub trait Codes {
    /// Returns the codes, in any order.
    fn codes() -> Vec<Code>;
}

/// Problems of an operation: one set of codes, or several in a tuple.
#[derive(Debug)]
pub struct Problems<T>(PhantomData<T>);

impl<T: Codes> IntoResponses for Problems<T> {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let mut by_status: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
        for code in T::codes() {
            by_status.entry(code.status()).or_default().push(code);
        }
        let reference = |mut codes: Vec<Code>| {
            codes.sort_unstable();
            codes.dedup();
            let names: Vec<&str> = codes.into_iter().map(Code::name).collect();
            RefOr::Ref(Ref::from_response_name(names.join(SEPARATOR)))
        };
        by_status
            .into_iter()
            .map(|(status, codes)| (status.to_string(), reference(codes)))
            .collect()
    }
}

/// Separator of codes in the name of a response for several codes.
const SEPARATOR: &str = "_";
const RESPONSES: &str = "#/components/responses/";
const EXAMPLES: &str = "#/components/examples/";

/// Declares sets of codes.
macro_rules! sets {
    ($($(#[$doc:meta])* $name:ident: $($code:ident),+;)+) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name;

        impl Codes for $name {
            fn codes() -> Vec<Code> {
                vec![$(Code::$code),+]
            }
        }
    )+};
}

sets! {
    /// Codes of every operation that needs a credential.
    Protected: NaoAutenticado, AcessoNegado, MuitasRequisicoes, ErroInterno, AzureDevopsRespostaInvalida,
        AzureDevopsIndisponivel, AzureDevopsNaoSuportado, BancoIndisponivel, OrganizacaoTrocada,
        AzureDevopsTempoEsgotado, TempoEsgotado;
    /// Codes of an open operation with a rate limit.
    Limited: MuitasRequisicoes;
    /// Codes of an operation with parameters.
    InvalidInput: DadosInvalidos;
    /// Codes of an operation with a JSON body.
    InvalidBody: CorpoGrandeDemais, TipoNaoSuportado, DadosInvalidos, ServicoOcupado;
    /// Codes of an operation that names projects, activities, people or PATs.
    InvalidReference: ReferenciaInvalida;
    /// Codes of an operation on one object, here or in Azure DevOps.
    NotFound: NaoEncontrado;
    /// Codes of a change of an object with an `ETag`.
    Outdated: VersaoDesatualizada;
    /// Codes of a request that may have an `Idempotency-Key`.
    IdempotentObject: ObjetoExcluido, RequisicaoEmAndamento, ChaveReutilizada;
    /// A repeated request that logs hours.
    Idempotent: ApontamentoExcluido, RequisicaoEmAndamento, ChaveReutilizada;
    /// Codes of an operation that changes the hours of a work item.
    ClosedWorkItem: WorkItemCancelado, WorkItemFechado;
    /// Codes of an operation that adds hours to a work item and a day.
    MoreHours: DataAntiga, DataFutura, EstadoDesconhecido, LimiteDiario;
    /// Codes of an operation that names the work item of new hours.
    OtherType: TipoDeWorkItem;
    /// Codes of a query of work items.
    TooManyWorkItems: ConsultaGrandeDemais;
    /// Codes of the deletion of an activity.
    InUse: AtividadeEmUso;
    /// Codes of an operation that writes hours to Azure DevOps.
    SwitchedOff: SincronizacaoDesligada;
    /// Codes of an operation on the PAT vault.
    NoVault: CofreNaoConfigurado;
    /// Codes of an operation that reads all organisations.
    NotConfigured: AzureDevopsNaoConfigurado;
}

/// Implements [`Codes`] for tuples of sets.
macro_rules! tuples {
    ($(($($set:ident),+))+) => {$(
        impl<$($set: Codes),+> Codes for ($($set,)+) {
            fn codes() -> Vec<Code> {
                [$($set::codes()),+].concat()
            }
        }
    )+};
}

tuples! {
    (A, B) (A, B, C) (A, B, C, D) (A, B, C, D, E) (A, B, C, D, E, F) (A, B, C, D, E, F, G)
    (A, B, C, D, E, F, G, H)
}

/// Adds the responses that operations refer to, and the examples of these responses.
pub(super) fn add_components(document: &mut OpenApi) {
    let mut names = BTreeSet::new();
    for operation in operations(document) {
        let responses = operation.responses.responses.values();
        names.extend(responses.filter_map(|response| match response {
            RefOr::Ref(reference) => reference.ref_location.strip_prefix(RESPONSES).map(str::to_owned),
            RefOr::T(_) => None,
        }));
    }
    let components = document.components.get_or_insert_default();
    let is_used = |code: &&Code| {
        names
            .iter()
            .any(|name| name.split(SEPARATOR).any(|part| part == code.name()))
    };
    for code in Code::ALL.iter().filter(is_used) {
        let example = ExampleBuilder::new()
            .summary(code.description())
            .value(Some(Problem::example(*code)));
        components
            .examples
            .insert(code.as_str().to_owned(), example.into());
    }
    for name in names {
        let response = response(&name);
        components.responses.insert(name, response.into());
    }
}

/// Builds the response with this name.
fn response(name: &str) -> Response {
    let is_named = |code: &&Code| name.split(SEPARATOR).any(|part| part == code.name());
    let codes: Vec<Code> = Code::ALL.iter().filter(is_named).copied().collect();
    let status = codes.first().map_or(500, |code| code.status());
    headers(status, codes.contains(&Code::RequisicaoEmAndamento))
        .content(CONTENT_TYPE_PROBLEM, content(&codes))
        .description(description(&codes))
        .build()
}

/// Describes a response. For several codes only their names are listed, because the examples describe each
/// one.
fn description(codes: &[Code]) -> String {
    match codes {
        [code] => code.description().to_owned(),
        codes => {
            let names: Vec<String> = codes.iter().map(|code| format!("`{}`", code.as_str())).collect();
            format!("One of {}", names.join(", "))
        }
    }
}

fn content(codes: &[Code]) -> Content {
    let example = |code: &Code| {
        (
            code.as_str(),
            RefOr::Ref(Ref::new(format!("{EXAMPLES}{}", code.as_str()))),
        )
    };
    ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Problem")))
        .examples_from_iter(codes.iter().map(example))
        .build()
}

/// Builds a response with the headers of this status.
fn headers(status: u16, is_in_flight: bool) -> ResponseBuilder {
    let text = |description: &str| {
        HeaderBuilder::new()
            .schema(Some(String::schema()))
            .description(Some(description))
            .build()
    };
    let retry_after = || {
        HeaderBuilder::new()
            .schema(Some(u64::schema()))
            .description(Some("Seconds to wait before the next try"))
            .build()
    };
    let response = ResponseBuilder::new();
    match status {
        401 => response.header(
            "WWW-Authenticate",
            text("`Bearer`, and for clients that are no browser `Basic`"),
        ),
        415 => response.header("Accept-Encoding", text("`identity` if the body was compressed")),
        429 => response
            .header("Retry-After", retry_after())
            .header(
                "RateLimit",
                text("Requests left and seconds until the quota is full again"),
            )
            .header("RateLimit-Policy", text("Quota and its window in seconds")),
        409 if is_in_flight => response.header("Retry-After", retry_after()),
        503 => response.header("Retry-After", retry_after()),
        _ => response,
    }
}
