-- One is changed where it is, moves to another day, and goes.
INSERT INTO apontamentos (id, organizacao, id_projeto, work_item_id, data_apontamento, minutos, id_atividade, usuario_id,
                          usuario_nome) VALUES
    ('01932b5c-7c00-7000-8000-0000000000a2', 'contoso', '6b1c1f5e-2d4c-4a9e-9d26-1f0d9be1a001', 4711, '2026-01-12', 30,
     '01932b5c-7c00-7000-8000-000000000001', 'ana', 'Ana');
UPDATE apontamentos SET minutos = 45 WHERE id = '01932b5c-7c00-7000-8000-0000000000a2';
UPDATE apontamentos SET data_apontamento = '2026-01-13' WHERE id = '01932b5c-7c00-7000-8000-0000000000a2';
DELETE FROM apontamentos WHERE id = '01932b5c-7c00-7000-8000-0000000000a2';
