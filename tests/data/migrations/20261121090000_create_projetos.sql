INSERT INTO projetos (id, external_id, nome, descricao, estado, organizacao) VALUES
    ('6b1c1f5e-2d4c-4a9e-9d26-1f0d9be1a001', '6b1c1f5e-2d4c-4a9e-9d26-1f0d9be1a001', 'Portal', 'd', 'wellFormed', 'contoso'),
    ('00000000-0000-4000-8000-000000000001', '6b1c1f5e-2d4c-4a9e-9d26-1f0d9be1a002', 'Nota Fiscal', NULL, NULL, NULL);
