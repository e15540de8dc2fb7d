INSERT INTO idempotencia (organizacao, usuario_id, chave, impressao, resposta) VALUES
    ('contoso', 'ana', 'another', '\x00', '{}');
