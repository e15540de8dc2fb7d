-- What names an organisation and a project names a project of that organisation. Row-level security binds the
-- owner of the tables, too, so this transaction says that it works on everything.
SET LOCAL aponta.organizacoes = '*';

-- Projects of older databases have no organisation: they get that of their entries, where these agree on one.
UPDATE projetos p SET organizacao = named.organizacao
  FROM (SELECT id_projeto, min(organizacao) AS organizacao
          FROM (SELECT id_projeto, organizacao FROM apontamentos
                UNION ALL
                SELECT id_projeto, organizacao FROM write_back) AS rows
         GROUP BY id_projeto HAVING min(organizacao) = max(organizacao)) AS named
 WHERE named.id_projeto = p.id AND p.organizacao IS NULL;
-- A table with a deferred trigger to come cannot be altered.
SET CONSTRAINTS ALL IMMEDIATE;

ALTER TABLE projetos ADD CONSTRAINT projetos_organizacao_id_key UNIQUE (organizacao, id);

-- NOT VALID: rows from before stay, whatever they name. They are looked at in the next step, which may fail
-- for them. Deferrable: an operator who moves a project with its rows to another organisation can do so in
-- one transaction.
ALTER TABLE apontamentos
    ADD CONSTRAINT apontamentos_organizacao_id_projeto_fkey FOREIGN KEY (organizacao, id_projeto)
        REFERENCES projetos (organizacao, id) ON DELETE RESTRICT DEFERRABLE NOT VALID,
    DROP CONSTRAINT apontamentos_id_projeto_fkey;
ALTER TABLE write_back
    ADD CONSTRAINT write_back_organizacao_id_projeto_fkey FOREIGN KEY (organizacao, id_projeto)
        REFERENCES projetos (organizacao, id) ON DELETE RESTRICT DEFERRABLE NOT VALID,
    DROP CONSTRAINT write_back_id_projeto_fkey;
