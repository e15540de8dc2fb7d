INSERT INTO write_back (organizacao, work_item_id, id_projeto, versao, versao_escrita, estado) VALUES
    ('contoso', 4711, '6b1c1f5e-2d4c-4a9e-9d26-1f0d9be1a001', 1, 1, 'sincronizado');
INSERT INTO apontamentos (id, organizacao, id_projeto, work_item_id, data_apontamento, minutos, id_atividade, usuario_id,
                          usuario_nome, versao_escrita) VALUES
    ('01932b5c-7c00-7000-8000-0000000000a1', 'contoso', '6b1c1f5e-2d4c-4a9e-9d26-1f0d9be1a001', 4711, '2026-01-12', 150,
     '01932b5c-7c00-7000-8000-000000000001', 'ana', 'Ana', 1);
INSERT INTO idempotencia (organizacao, usuario_id, chave, impressao, resposta) VALUES
    ('contoso', 'ana', 'k', '\x00', '{}');
