-- One without any project; and hours on a project of which no organisation is known yet.
INSERT INTO atividades (id, nome) VALUES ('01932b5c-7c00-7000-8000-000000000004', 'Férias');
INSERT INTO write_back (organizacao, work_item_id, id_projeto, versao, versao_escrita, estado) VALUES
    ('contoso', 4712, '00000000-0000-4000-8000-000000000001', 1, 1, 'sincronizado');
INSERT INTO apontamentos (id, organizacao, id_projeto, work_item_id, data_apontamento, minutos, id_atividade, usuario_id,
                          usuario_nome, versao_escrita) VALUES
    ('01932b5c-7c00-7000-8000-0000000000a3', 'contoso', '00000000-0000-4000-8000-000000000001', 4712, '2026-01-14', 60,
     '01932b5c-7c00-7000-8000-000000000001', 'ana', 'Ana', 1);
