INSERT INTO organization_pats (id, organizacao, organization_url, pat_cifrado, chave_id) VALUES
    ('01932b5c-7c00-7000-8000-000000000003', 'contoso', 'https://dev.azure.com/contoso', '\x00', '0000000000000000');
INSERT INTO auditoria (usuario_id, usuario_nome, organizacao, acao, objeto_tipo, objeto_id, depois) VALUES
    ('ana', 'Ana', 'contoso', 'criar', 'organization_pat', '01932b5c-7c00-7000-8000-000000000003', '{"ativo": true}');
