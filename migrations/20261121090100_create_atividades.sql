-- Kinds of work. Two activities may bear the same name.
CREATE TABLE atividades (
    id uuid NOT NULL,
    nome varchar(255) NOT NULL,
    descricao text,
    ativo boolean NOT NULL DEFAULT true,
    criado_por varchar(255),
    criado_em timestamptz NOT NULL DEFAULT now(),
    atualizado_em timestamptz NOT NULL DEFAULT now(),
    nome_ordem text COLLATE "C" NOT NULL GENERATED ALWAYS AS (sort_key(nome)) STORED,
    CONSTRAINT atividades_pkey PRIMARY KEY (id),
    CONSTRAINT atividades_nome_check CHECK (nome = btrim(nome) AND nome <> '')
);

CREATE INDEX atividades_nome_ordem_id_idx ON atividades (nome_ordem, id);

CREATE FUNCTION atividades_set_atualizado_em() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.atualizado_em := clock_timestamp();
    RETURN NEW;
END
$$;

-- atualizado_em is in the list so that a change of the set of projects can touch the activity.
CREATE TRIGGER atividades_set_atualizado_em
    BEFORE UPDATE ON atividades
    FOR EACH ROW WHEN (
        (OLD.nome, OLD.descricao, OLD.ativo, OLD.criado_por, OLD.atualizado_em)
        IS DISTINCT FROM
        (NEW.nome, NEW.descricao, NEW.ativo, NEW.criado_por, NEW.atualizado_em)
    )
    EXECUTE FUNCTION atividades_set_atualizado_em();

-- Which activities may be used in which projects. `posicao` keeps the order in which the caller named them.
CREATE TABLE atividade_projeto (
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    id_atividade uuid NOT NULL,
    id_projeto uuid NOT NULL,
    posicao integer NOT NULL DEFAULT 0,
    criado_em timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT atividade_projeto_pkey PRIMARY KEY (id),
    CONSTRAINT atividade_projeto_id_atividade_id_projeto_key UNIQUE (id_atividade, id_projeto),
    CONSTRAINT atividade_projeto_id_atividade_fkey
        FOREIGN KEY (id_atividade) REFERENCES atividades (id) ON DELETE CASCADE,
    CONSTRAINT atividade_projeto_id_projeto_fkey
        FOREIGN KEY (id_projeto) REFERENCES projetos (id) ON DELETE CASCADE
);

-- The unique index serves look-ups by activity; this one serves those by project.
CREATE INDEX atividade_projeto_id_projeto_idx ON atividade_projeto (id_projeto);
