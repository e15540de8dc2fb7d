INSERT INTO write_back (organizacao, work_item_id, id_projeto, versao, versao_escrita, estado) VALUES
    ('contoso', 4715, '00000000-0000-4000-8000-000000000001', 3, 3, 'sincronizado');
