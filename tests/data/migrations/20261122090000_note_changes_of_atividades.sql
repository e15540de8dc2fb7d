-- An activity is renamed, a project, too.
UPDATE atividades SET nome = 'Codificação e testes' WHERE id = '01932b5c-7c00-7000-8000-000000000001';
UPDATE projetos SET nome = nome || ' (novo)';
