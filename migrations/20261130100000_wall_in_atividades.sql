-- Activities and their links to projects belong to tenants too, through the projects: they have no column of
-- their own that says so. A link is visible where its project is. An activity is visible where one of its
-- links is, or where it has no link at all.

-- Whether an activity has no link at all is more than a caller sees, so one function counts for the caller
-- what row-level security hides. It belongs to the role that sees every row; its own search_path keeps
-- others' tables and operators out of it.
SELECT set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);
CREATE FUNCTION contar_projetos_da_atividade(atividade uuid) RETURNS bigint
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT
    AS 'SELECT count(*) FROM atividade_projeto WHERE id_atividade = atividade';

-- A new owner must be allowed to create things in the schema, at this moment and no longer.
DO $$
DECLARE
    app text := current_schema() || '_app';
    maintenance text := current_schema() || '_maintenance';
BEGIN
    REVOKE ALL ON FUNCTION contar_projetos_da_atividade(uuid) FROM PUBLIC;
    EXECUTE format('GRANT EXECUTE ON FUNCTION contar_projetos_da_atividade(uuid) TO %I, %I', app, maintenance);
    EXECUTE format('GRANT CREATE ON SCHEMA %I TO %I', current_schema(), maintenance);
    EXECUTE format('ALTER FUNCTION contar_projetos_da_atividade(uuid) OWNER TO %I', maintenance);
    EXECUTE format('REVOKE CREATE ON SCHEMA %I FROM %I', current_schema(), maintenance);
END
$$;

ALTER TABLE atividade_projeto ENABLE ROW LEVEL SECURITY;
ALTER TABLE atividade_projeto FORCE ROW LEVEL SECURITY;
CREATE POLICY atividade_projeto_projeto ON atividade_projeto
    USING (EXISTS (SELECT FROM projetos p WHERE p.id = id_projeto))
    WITH CHECK (EXISTS (SELECT FROM projetos p WHERE p.id = id_projeto));

-- A new activity has no link yet, so it passes as one without any. For the application's role alone: the
-- function is nobody else's, and a policy that does not apply is not evaluated. In the OR what costs most
-- comes last.
ALTER TABLE atividades ENABLE ROW LEVEL SECURITY;
ALTER TABLE atividades FORCE ROW LEVEL SECURITY;
CREATE POLICY atividades_todas ON atividades
    USING ((SELECT '*' = ANY (organizacoes_do_chamador())))
    WITH CHECK ((SELECT '*' = ANY (organizacoes_do_chamador())));

DO $$
DECLARE
    visible text := '(SELECT cardinality(organizacoes_do_chamador()) > 0)
        AND (EXISTS (SELECT FROM atividade_projeto ap WHERE ap.id_atividade = atividades.id)
             OR contar_projetos_da_atividade(id) = 0)';
    tabela text;
BEGIN
    EXECUTE format('CREATE POLICY atividades_projeto ON atividades TO %I USING (%s) WITH CHECK (%s)',
        current_schema() || '_app', visible, visible);
    FOREACH tabela IN ARRAY ARRAY['atividades', 'atividade_projeto'] LOOP
        EXECUTE format('CREATE POLICY %I ON %I TO %I USING (true) WITH CHECK (true)',
            tabela || '_maintenance', tabela, current_schema() || '_maintenance');
    END LOOP;
END
$$;
