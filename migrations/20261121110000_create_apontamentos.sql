-- Time entries, what is still to be told to Azure DevOps of them, and the answers to repeated requests.

-- Durations are whole minutes. `id_projeto` is the project's one key, however the caller spelt it; `organizacao` is repeated
-- in each row for the walls between tenants. `versao_escrita` is the state of the work item's hours that this entry belongs to
-- (write_back.versao); null when nothing is written back.
CREATE TABLE apontamentos (
    id uuid NOT NULL,
    organizacao varchar(64) NOT NULL,
    id_projeto uuid NOT NULL,
    work_item_id integer NOT NULL,
    data_apontamento date NOT NULL,
    minutos integer NOT NULL,
    id_atividade uuid NOT NULL,
    comentario varchar(500),
    usuario_id varchar(255) NOT NULL,
    usuario_nome varchar(255) NOT NULL,
    usuario_email varchar(255),
    registrado_por_id varchar(255),
    registrado_por_nome varchar(255),
    versao_escrita bigint,
    criado_em timestamptz NOT NULL DEFAULT clock_timestamp(),
    atualizado_em timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT apontamentos_pkey PRIMARY KEY (id),
    CONSTRAINT apontamentos_id_projeto_fkey FOREIGN KEY (id_projeto) REFERENCES projetos (id) ON DELETE RESTRICT,
    CONSTRAINT apontamentos_id_atividade_fkey FOREIGN KEY (id_atividade) REFERENCES atividades (id) ON DELETE RESTRICT,
    CONSTRAINT apontamentos_organizacao_check CHECK (organizacao = lower(organizacao) AND organizacao <> ''),
    CONSTRAINT apontamentos_work_item_id_check CHECK (work_item_id > 0),
    CONSTRAINT apontamentos_minutos_check CHECK (minutos BETWEEN 1 AND 1440)
);

-- Of a work item, the newest day first; of a person, likewise; and one for each foreign key.
CREATE INDEX apontamentos_work_item_idx
    ON apontamentos (organizacao, work_item_id, data_apontamento DESC, criado_em DESC, id);
CREATE INDEX apontamentos_usuario_idx ON apontamentos (usuario_id, data_apontamento DESC, criado_em DESC, id);
CREATE INDEX apontamentos_id_projeto_work_item_id_idx ON apontamentos (id_projeto, work_item_id);
CREATE INDEX apontamentos_id_atividade_idx ON apontamentos (id_atividade);

CREATE FUNCTION apontamentos_set_atualizado_em() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.atualizado_em := clock_timestamp();
    RETURN NEW;
END
$$;
CREATE TRIGGER apontamentos_set_atualizado_em
    BEFORE UPDATE ON apontamentos
    FOR EACH ROW WHEN (
        (OLD.data_apontamento, OLD.minutos, OLD.id_atividade, OLD.comentario)
        IS DISTINCT FROM
        (NEW.data_apontamento, NEW.minutos, NEW.id_atividade, NEW.comentario)
    )
    EXECUTE FUNCTION apontamentos_set_atualizado_em();

-- Minutes of a person's day in an organisation: a limit is compared with it. Its row lock makes whoever writes on the same day
-- wait for each other, so the limit holds whatever happens at once.
CREATE TABLE minutos_do_dia (
    organizacao varchar(64) NOT NULL,
    usuario_id varchar(255) NOT NULL,
    data date NOT NULL,
    minutos integer NOT NULL,
    CONSTRAINT minutos_do_dia_pkey PRIMARY KEY (organizacao, usuario_id, data)
);

CREATE FUNCTION apontamentos_count_minutos() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- In the order of the days: two entries that change places must not lock each other out.
    INSERT INTO minutos_do_dia AS dia (organizacao, usuario_id, data, minutos)
    SELECT mudanca.organizacao, mudanca.usuario_id, mudanca.data, sum(mudanca.minutos)
      FROM (SELECT OLD.organizacao AS organizacao, OLD.usuario_id AS usuario_id, OLD.data_apontamento AS data,
                   -OLD.minutos AS minutos
             WHERE TG_OP <> 'INSERT'
            UNION ALL
            SELECT NEW.organizacao, NEW.usuario_id, NEW.data_apontamento, NEW.minutos WHERE TG_OP <> 'DELETE') AS mudanca
     GROUP BY mudanca.organizacao, mudanca.usuario_id, mudanca.data
     ORDER BY mudanca.organizacao, mudanca.usuario_id, mudanca.data
    ON CONFLICT ON CONSTRAINT minutos_do_dia_pkey DO UPDATE SET minutos = dia.minutos + excluded.minutos;
    RETURN NULL;
END
$$;
CREATE TRIGGER apontamentos_count_minutos
    AFTER INSERT OR DELETE OR UPDATE OF organizacao, usuario_id, data_apontamento, minutos ON apontamentos
    FOR EACH ROW EXECUTE FUNCTION apontamentos_count_minutos();

-- The outbox: one row a work item that has or had entries. Written in the transaction of the entry; `versao` counts changes,
-- `versao_escrita` is the last one that Azure DevOps knows. Hours are millionths, so that no sum rounds.
--
-- `contribuicao` is what of CompletedWork is ours, `considerado` what RemainingWork was told of, `descontado` what we took off it. An intention is stored before it
-- is sent and stays the same until it is known whether it was applied: sent twice, it counts once (its revision is tested).
-- `rev_escrita` is the revision that our last change made; what was read before that is older than `contribuicao`.
CREATE TABLE write_back (
    organizacao varchar(64) NOT NULL,
    work_item_id integer NOT NULL,
    id_projeto uuid NOT NULL,
    versao bigint NOT NULL DEFAULT 1,
    versao_escrita bigint NOT NULL DEFAULT 0,
    contribuicao bigint NOT NULL DEFAULT 0,
    considerado bigint NOT NULL DEFAULT 0,
    descontado bigint NOT NULL DEFAULT 0,
    estado varchar(16) NOT NULL DEFAULT 'pendente',
    motivo varchar(500),
    tentativas integer NOT NULL DEFAULT 0,
    pendente_desde timestamptz NOT NULL DEFAULT now(),
    proxima_em timestamptz NOT NULL DEFAULT now(),
    rev_escrita integer NOT NULL DEFAULT 0,
    escrito_em timestamptz,
    lease uuid,
    lease_ate timestamptz,
    intencao_rev integer,
    intencao_versao bigint,
    intencao_contribuicao bigint,
    intencao_considerado bigint,
    intencao_descontado bigint,
    intencao_completed bigint,
    intencao_remaining bigint,
    intencao_por uuid,
    CONSTRAINT write_back_pkey PRIMARY KEY (organizacao, work_item_id),
    CONSTRAINT write_back_id_projeto_fkey FOREIGN KEY (id_projeto) REFERENCES projetos (id) ON DELETE RESTRICT,
    CONSTRAINT write_back_organizacao_check CHECK (organizacao = lower(organizacao) AND organizacao <> ''),
    CONSTRAINT write_back_estado_check CHECK (estado IN ('pendente', 'sincronizado', 'falhou')),
    CONSTRAINT write_back_intencao_check CHECK (
        (intencao_rev IS NULL) = (intencao_versao IS NULL)
        AND (intencao_rev IS NULL) = (intencao_contribuicao IS NULL)
        AND (intencao_rev IS NULL) = (intencao_descontado IS NULL))
);

-- What is due, by organisation; and what failed, for whoever looks.
CREATE INDEX write_back_pendente_idx ON write_back (organizacao, proxima_em) WHERE estado = 'pendente';
CREATE INDEX write_back_falhou_idx ON write_back (organizacao, work_item_id) WHERE estado = 'falhou';
CREATE INDEX write_back_id_projeto_idx ON write_back (id_projeto);

-- Answers to requests that bore an Idempotency-Key, for a day. `resposta` is the entry as it was answered; while the first
-- request still waits for its hours to be written, it may change (`provisoria_ate`).
CREATE TABLE idempotencia (
    organizacao varchar(64) NOT NULL,
    usuario_id varchar(255) NOT NULL,
    chave varchar(255) NOT NULL,
    impressao bytea NOT NULL,
    resposta text NOT NULL,
    provisoria_ate timestamptz,
    criado_em timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT idempotencia_pkey PRIMARY KEY (organizacao, usuario_id, chave)
);
CREATE INDEX idempotencia_criado_em_idx ON idempotencia (criado_em);

DO $$
DECLARE
    tabela text;
BEGIN
    FOREACH tabela IN ARRAY ARRAY['apontamentos', 'minutos_do_dia', 'write_back', 'idempotencia'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', tabela);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', tabela);
        EXECUTE format('CREATE POLICY %I ON %I
                            USING (ARRAY[''*'', organizacao]::text[] && (SELECT organizacoes_do_chamador()))
                            WITH CHECK (ARRAY[''*'', organizacao]::text[] && (SELECT organizacoes_do_chamador()))',
            tabela || '_organizacao', tabela);
        EXECUTE format('CREATE POLICY %I ON %I TO %I USING (true) WITH CHECK (true)',
            tabela || '_maintenance', tabela, current_schema() || '_maintenance');
    END LOOP;
END
$$;
