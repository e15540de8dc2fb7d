-- Which organisation a name stands for. `chave` is what the column `organizacao` of every other table holds: the name under
-- which the organisation was first seen, and never changed. A rename is one UPDATE here and touches no other row.
--
-- `instance_id` is pinned at the first proof (connectionData). `nome` is null after another organisation took it over.
-- `nomes_anteriores` is a list of {"nome", "ate"}: such a name goes on working in requests for 90 days from `ate` on.
CREATE TABLE organizacoes (
    chave varchar(64) NOT NULL,
    nome varchar(64),
    instance_id uuid,
    nomes_anteriores jsonb NOT NULL DEFAULT '[]',
    visto_em timestamptz,
    criado_em timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT organizacoes_pkey PRIMARY KEY (chave),
    CONSTRAINT organizacoes_nome_key UNIQUE (nome),
    CONSTRAINT organizacoes_instance_id_key UNIQUE (instance_id),
    CONSTRAINT organizacoes_chave_check CHECK (chave = lower(chave) AND chave <> ''),
    CONSTRAINT organizacoes_nome_check CHECK (nome = lower(nome) AND nome <> ''),
    CONSTRAINT organizacoes_nomes_anteriores_check CHECK (jsonb_typeof(nomes_anteriores) = 'array')
);

-- The list with `former` added as of now and `present` taken out.
CREATE FUNCTION former_names(list jsonb, former text, present text) RETURNS jsonb
    LANGUAGE sql STABLE
    RETURN coalesce((SELECT jsonb_agg(a) FROM jsonb_array_elements(list) a
                      WHERE a ->> 'nome' IS DISTINCT FROM former AND a ->> 'nome' IS DISTINCT FROM present), '[]')
           || CASE WHEN former IS NULL THEN '[]'::jsonb
                   ELSE jsonb_build_array(jsonb_build_object('nome', former, 'ate', now())) END;

-- The owner of the tables sees rows of those that the transaction names, like everybody else.
SELECT set_config('aponta.organizacoes', '*', true);

-- Every organisation that has rows by now is called what its rows say. Its first proof pins it.
INSERT INTO organizacoes (chave, nome)
SELECT organizacao, organizacao
  FROM (SELECT organizacao FROM projetos
        UNION SELECT organizacao FROM organization_pats
        UNION SELECT organizacao FROM apontamentos
        UNION SELECT organizacao FROM write_back) AS seen
 WHERE organizacao IS NOT NULL;

ALTER TABLE organizacoes ENABLE ROW LEVEL SECURITY;
ALTER TABLE organizacoes FORCE ROW LEVEL SECURITY;
CREATE POLICY organizacoes_organizacao ON organizacoes
    USING (ARRAY['*', chave]::text[] && (SELECT organizacoes_do_chamador()))
    WITH CHECK (false);

-- At once, not with the grants that follow all migrations: a replica that starts meanwhile reads it.
DO $$
BEGIN
    EXECUTE format('CREATE POLICY organizacoes_maintenance ON organizacoes TO %I USING (true) WITH CHECK (true)',
        current_schema() || '_maintenance');
    EXECUTE format('GRANT SELECT ON organizacoes TO %I', current_schema() || '_app');
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON organizacoes TO %I', current_schema() || '_maintenance');
END
$$;
