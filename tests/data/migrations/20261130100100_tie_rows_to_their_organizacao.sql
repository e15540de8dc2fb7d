-- Refused, had the project not got the organisation of its entries.
INSERT INTO apontamentos (id, organizacao, id_projeto, work_item_id, data_apontamento, minutos, id_atividade, usuario_id,
                          usuario_nome) VALUES
    ('01932b5c-7c00-7000-8000-0000000000a4', 'contoso', '00000000-0000-4000-8000-000000000001', 4712, '2026-01-15', 60,
     '01932b5c-7c00-7000-8000-000000000001', 'ana', 'Ana');
