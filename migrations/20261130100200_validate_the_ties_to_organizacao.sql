-- Whether rows from before keep the keys of the step before. Those that do not are no reason to refuse to
-- start: new rows keep them anyway. Row-level security binds the owner of the tables; a row that it hides
-- would pass unseen.
SET LOCAL aponta.organizacoes = '*';

DO $$
DECLARE
    tabela text;
BEGIN
    FOREACH tabela IN ARRAY ARRAY['apontamentos', 'write_back'] LOOP
        BEGIN
            EXECUTE format('ALTER TABLE %I VALIDATE CONSTRAINT %I', tabela, tabela || '_organizacao_id_projeto_fkey');
        EXCEPTION WHEN foreign_key_violation THEN
            RAISE WARNING 'rows of % name a project of another organisation: %', tabela, SQLERRM;
        END;
    END LOOP;
END
$$;
