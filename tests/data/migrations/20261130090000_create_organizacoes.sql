INSERT INTO organizacoes (chave, nome, instance_id, nomes_anteriores) VALUES
    ('fabrikam', 'fabrikam-novo', '2ad38d1e-3eaf-4769-931c-3a2da67bbb01',
     '[{"nome": "fabrikam", "ate": "2026-11-30T12:00:00Z"}]');
