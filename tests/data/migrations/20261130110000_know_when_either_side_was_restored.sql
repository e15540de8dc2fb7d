INSERT INTO write_back (organizacao, work_item_id, id_projeto, versao, versao_escrita, estado, rev_escrita, contribuicao,
                        escritas, conferir) VALUES
    ('contoso', 4716, '00000000-0000-4000-8000-000000000001', 3, 3, 'sincronizado', 7, 1000000,
     '[[7, 4500000, 1000000, 1000000, 0], [6, 3500000, 0, 0, 0]]', true);
INSERT INTO idempotencia (organizacao, usuario_id, chave, impressao, apontamento_id) VALUES
    ('contoso', 'ana', 'k-3', 'x', '00000000-0000-4000-8000-000000000009');
