INSERT INTO idempotencia (organizacao, usuario_id, chave, impressao, objeto_id)
SELECT 'contoso', '3f0a5c11-2222-4b4b-8c8c-5d5d5d5d5d5d', 'activity', 'x', id FROM atividades LIMIT 1;
