-- What each role may do with each table. Sent as one message, this is one transaction: requests see the rights of
-- before or those of after.
--
-- Replicas of the release before go on running for a while: a right is taken away a release after the code that
-- used it. What changes here comes with a migration, so that a replica that restarts knows whether its own
-- grants are the newest.

GRANT USAGE ON SCHEMA {schema} TO {app}, {maintenance};
REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM {app}, {maintenance};

-- {app}, the role of callers. A table that is not named here is closed to it, and so is a column: what only
-- synchronisation, vault and write-back may write is granted to {maintenance} alone. A row lock takes UPDATE of
-- any one column.
GRANT SELECT, DELETE,
    INSERT (id, organizacao, id_projeto, work_item_id, data_apontamento, minutos, id_atividade, comentario, usuario_id,
    usuario_nome, usuario_email, registrado_por_id, registrado_por_nome, versao_escrita, projeto_nome,
    work_item_titulo),
    UPDATE (data_apontamento, minutos, id_atividade, comentario, versao_escrita)
    ON apontamentos TO {app};
GRANT SELECT, INSERT (id_atividade, id_projeto, posicao), DELETE ON atividade_projeto TO {app};
GRANT SELECT, INSERT (id, nome, descricao, ativo, criado_por), UPDATE (nome, descricao, ativo, atualizado_em), DELETE
    ON atividades TO {app};
-- Written by a trigger.
GRANT SELECT, UPDATE (versao) ON atividades_versao TO {app};
GRANT SELECT, INSERT (usuario_id, usuario_nome, organizacao, acao, objeto_tipo, objeto_id, antes, depois, request_id)
    ON auditoria TO {app};
GRANT SELECT, INSERT (organizacao, usuario_id, chave, impressao, resposta, provisoria_ate, apontamento_id,
    objeto_id), UPDATE (impressao, resposta, provisoria_ate, criado_em, apontamento_id, objeto_id)
    ON idempotencia TO {app};
-- Written by a trigger of apontamentos.
GRANT SELECT, INSERT (organizacao, usuario_id, data, minutos), UPDATE (minutos)
    ON minutos_do_dia TO {app};
GRANT SELECT ON organizacoes TO {app};
-- The vault is read and written by the service, not on behalf of a caller.
REVOKE ALL ON organization_pats FROM {app};
GRANT SELECT ON projetos TO {app};
GRANT SELECT, INSERT (organizacao, work_item_id, id_projeto, proxima_em),
    UPDATE (versao, id_projeto, estado, motivo, tentativas, pendente_desde, proxima_em)
    ON write_back TO {app};

-- {maintenance}, the role of synchronisation, vault, write-back and sample data: every column of every table but
-- these.
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {maintenance};
REVOKE ALL ON _sqlx_migrations FROM {maintenance};
GRANT SELECT ON _sqlx_migrations TO {maintenance};
REVOKE ALL ON auditoria FROM {maintenance};
GRANT SELECT, INSERT (usuario_id, usuario_nome, organizacao, acao, objeto_tipo, objeto_id, antes, depois, request_id)
    ON auditoria TO {maintenance};
