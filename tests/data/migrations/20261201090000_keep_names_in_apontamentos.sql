UPDATE apontamentos SET projeto_nome = 'Portal', work_item_titulo = 'Validar cadastro' WHERE work_item_id = 4711;
