INSERT INTO write_back (organizacao, work_item_id, id_projeto, versao, estado, rev_escrita, intencao_rev, intencao_versao,
                        intencao_contribuicao, intencao_considerado, intencao_descontado, intencao_completed, intencao_em) VALUES
    ('contoso', 4717, '00000000-0000-4000-8000-000000000001', 1, 'pendente', 7, 7, 1, 1000000, 1000000, 0, 4500000, now());
