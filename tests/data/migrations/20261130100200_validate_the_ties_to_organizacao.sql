INSERT INTO write_back (organizacao, work_item_id, id_projeto) VALUES
    ('contoso', 4713, '00000000-0000-4000-8000-000000000001');
