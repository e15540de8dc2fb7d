//! Catalogue of problems: each has a stable code, a status, a description for developers and a sentence for
//! people. Responses and the OpenAPI document are built from it, and the table in `docs/api-conventions.md`
//! is compared with it.

/// Declares [`Code`]: the doc comment of a variant is its description in the OpenAPI document.
macro_rules! catalogue {
    ($($(#[doc = $description:literal])+ $name:ident = $status:literal, $code:literal, $sentence:literal;)+) => {
        /// Stable code of a problem (`code` in a response), with exactly one status.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Code {
            $($(#[doc = $description])+ $name,)+
        }

        impl Code {
            /// All codes, by status.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// Returns the code as used in responses.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)+ }
            }

            /// Returns the name of the variant, which is the response's name in the OpenAPI document.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)+ }
            }

            /// Returns the HTTP status.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status,)+ }
            }

            /// Returns the description for developers, in English.
            #[must_use]
            pub const fn description(self) -> &'static str {
                match self { $(Self::$name => concat!($($description),+).trim_ascii(),)+ }
            }

            /// Returns a sentence for people, in Portuguese: the default `detail` of a response.
            #[must_use]
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$name => $sentence,)+ }
            }
        }
    };
}

catalogue! {
    /// The body or the query names a project, an activity, a person or a PAT that does not exist or cannot be
    /// used.
    ReferenciaInvalida = 400, "referencia_invalida", "Projeto não encontrado: Portal";
    /// The request cannot be understood.
    RequisicaoInvalida = 400, "requisicao_invalida", "A requisição não pôde ser entendida";
    /// There is no credential, or one that proves no identity.
    NaoAutenticado = 401, "nao_autenticado", "Token de autenticação não fornecido";
    /// The caller is known and may not do this, or is no member of the organisation.
    AcessoNegado = 403, "acesso_negado",
        "O usuário não pertence a nenhuma organização atendida por este servidor";
    /// The object does not exist here or in Azure DevOps, or belongs to another organisation.
    NaoEncontrado = 404, "nao_encontrado", "Work Item 4711 não encontrado";
    /// The path does not exist.
    RotaNaoEncontrada = 404, "rota_nao_encontrada", "Este endereço não existe";
    /// The path exists, the method does not.
    MetodoNaoPermitido = 405, "metodo_nao_permitido", "Método não permitido para este endereço";
    /// The entry that was made with this `Idempotency-Key` is deleted.
    ApontamentoExcluido = 409, "apontamento_excluido", "O apontamento criado com esta Idempotency-Key foi excluído";
    /// Something refers to the activity.
    AtividadeEmUso = 409, "atividade_em_uso", "A atividade está em uso";
    /// The activity or the PAT that was made with this `Idempotency-Key` is deleted.
    ObjetoExcluido = 409, "objeto_excluido", "O objeto criado com esta Idempotency-Key foi excluído";
    /// A request with this `Idempotency-Key` is being handled.
    RequisicaoEmAndamento = 409, "requisicao_em_andamento",
        "Uma requisição com esta Idempotency-Key está em andamento; tente novamente";
    /// The hours of this organisation are not written to Azure DevOps.
    SincronizacaoDesligada = 409, "sincronizacao_desligada",
        "As horas da organização contoso não são gravadas no Azure DevOps";
    /// The object has changed since the version that `If-Match` names.
    VersaoDesatualizada = 412, "versao_desatualizada",
        "O registro foi alterado por outra pessoa desde a última leitura; leia-o novamente";
    /// The body is too large.
    CorpoGrandeDemais = 413, "corpo_grande_demais", "O corpo da requisição é grande demais";
    /// The body is not JSON.
    TipoNaoSuportado = 415, "tipo_nao_suportado", "O corpo deve ser JSON (application/json)";
    /// The `Idempotency-Key` came with another content before.
    ChaveReutilizada = 422, "chave_reutilizada", "Esta Idempotency-Key já foi usada com outro conteúdo";
    /// The query finds more than 20,000 work items in Azure DevOps, or is longer than 32,000 bytes.
    ConsultaGrandeDemais = 422, "consulta_grande_demais", "A consulta é grande demais para o Azure DevOps";
    /// The input breaks rules; `errors` lists every failure.
    DadosInvalidos = 422, "dados_invalidos", "Dados inválidos: limit: deve ser menor ou igual a 1000";
    /// The hours are on a day that is more than `ENTRY_MAX_AGE_DAYS` days ago.
    DataAntiga = 422, "data_antiga", "Não é possível apontar horas em uma data tão antiga";
    /// The hours are on a day to come.
    DataFutura = 422, "data_futura", "Não é possível apontar horas em uma data futura";
    /// The process does not have the state of the work item; entries can still be shortened and deleted.
    EstadoDesconhecido = 422, "estado_desconhecido", "O estado do Work Item não é conhecido pelo processo";
    /// The person's day in the organisation would hold more than `MAX_MINUTES_PER_DAY`.
    LimiteDiario = 422, "limite_diario", "O limite de horas do dia seria ultrapassado";
    /// The type of the work item is none of `WORK_ITEM_TYPES`.
    TipoDeWorkItem = 422, "tipo_de_work_item", "Não é possível apontar horas neste tipo de Work Item";
    /// The work item is removed, by the category of its state.
    WorkItemCancelado = 422, "work_item_cancelado", "O Work Item está cancelado";
    /// The work item is closed, by the category of its state.
    WorkItemFechado = 422, "work_item_fechado", "O Work Item está fechado";
    /// The budget of the caller or of the address is used up.
    MuitasRequisicoes = 429, "muitas_requisicoes", "Muitas requisições; aguarde um instante";
    /// The server has a defect; its log has the cause under the request id.
    ErroInterno = 500, "erro_interno", "Erro interno do servidor";
    /// Azure DevOps answered, but not what is needed.
    AzureDevopsRespostaInvalida = 502, "azure_devops_resposta_invalida",
        "O Azure DevOps deu uma resposta inesperada";
    /// Azure DevOps is away, throttles, or is left alone for a while.
    AzureDevopsIndisponivel = 503, "azure_devops_indisponivel",
        "O Azure DevOps está indisponível no momento; tente novamente";
    /// No organisation is configured.
    AzureDevopsNaoConfigurado = 503, "azure_devops_nao_configurado",
        "AZURE_DEVOPS_ORG_URL não configurada no servidor";
    /// The server of Azure DevOps is older than 2019.1, or lacks the resource of the call.
    AzureDevopsNaoSuportado = 503, "azure_devops_nao_suportado",
        "O servidor Azure DevOps desta organização não oferece este recurso; ele existe em versões mais novas";
    /// The database is away or too slow.
    BancoIndisponivel = 503, "banco_indisponivel",
        "O banco de dados está indisponível no momento; tente novamente";
    /// The server has no key for the PAT vault.
    CofreNaoConfigurado = 503, "cofre_nao_configurado",
        "O cofre de PATs não está configurado: defina PAT_ENCRYPTION_KEYS no servidor";
    /// Another organisation answers under this name in Azure DevOps.
    OrganizacaoTrocada = 503, "organizacao_trocada",
        "Outra organização responde por este nome no Azure DevOps; avise o administrador do servidor";
    /// The bodies that are being read use up the memory for them.
    ServicoOcupado = 503, "servico_ocupado",
        "O serviço está recebendo muitos dados ao mesmo tempo; tente novamente em instantes";
    /// Azure DevOps did not answer in time.
    AzureDevopsTempoEsgotado = 504, "azure_devops_tempo_esgotado",
        "O Azure DevOps não respondeu a tempo; tente novamente";
    /// The request took too long.
    TempoEsgotado = 504, "tempo_esgotado", "A requisição demorou demais e foi interrompida";
}
