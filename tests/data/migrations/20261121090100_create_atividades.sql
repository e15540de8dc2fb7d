INSERT INTO atividades (id, nome, descricao, ativo, criado_por) VALUES
    ('01932b5c-7c00-7000-8000-000000000001', 'Codificação', NULL, true, 'ana@contoso.com'),
    ('01932b5c-7c00-7000-8000-000000000002', 'Reunião', 'Cerimônias', false, NULL);
INSERT INTO atividade_projeto (id_atividade, id_projeto, posicao) VALUES
    ('01932b5c-7c00-7000-8000-000000000001', '6b1c1f5e-2d4c-4a9e-9d26-1f0d9be1a001', 1),
    ('01932b5c-7c00-7000-8000-000000000001', '00000000-0000-4000-8000-000000000001', 2);
