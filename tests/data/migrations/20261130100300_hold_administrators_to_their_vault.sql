INSERT INTO organization_pats (id, organizacao, organization_url, pat_cifrado, chave_id) VALUES
    ('01932b5c-7c00-7000-8000-000000000004', 'fabrikam', 'https://dev.azure.com/fabrikam', '\x00', '0000000000000000');
