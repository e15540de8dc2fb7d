-- A database of the FastAPI service at its last revision (e5f6g7h8i9j0), written from its description, with what such databases
-- hold in practice. Its vault is encrypted with PAT_ENCRYPTION_KEY=Y2hhdmUtbGVnYWRhLWRlLXRlc3RlLTMyLWJ5dGVzISE=
CREATE SCHEMA legado;
SET search_path = legado;

CREATE TABLE alembic_version (version_num varchar(32) NOT NULL PRIMARY KEY);
INSERT INTO alembic_version VALUES ('e5f6g7h8i9j0');

CREATE TABLE projetos (
    id uuid NOT NULL PRIMARY KEY,
    external_id uuid NOT NULL,
    nome varchar NOT NULL,
    descricao text,
    url varchar,
    estado varchar,
    last_sync_at timestamptz DEFAULT now(),
    created_at timestamptz DEFAULT now(),
    updated_at timestamptz DEFAULT now(),
    organizacao varchar
);
CREATE UNIQUE INDEX ix_projetos_external_id ON projetos (external_id);

CREATE TABLE atividades (
    id uuid NOT NULL PRIMARY KEY,
    nome varchar(255) NOT NULL,
    descricao text,
    ativo boolean NOT NULL,
    criado_em timestamp NOT NULL,
    atualizado_em timestamp NOT NULL,
    criado_por varchar(255)
);

CREATE TABLE atividade_projeto (
    id uuid NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    id_atividade uuid NOT NULL REFERENCES atividades (id) ON DELETE CASCADE,
    id_projeto uuid NOT NULL REFERENCES projetos (id) ON DELETE CASCADE,
    criado_em timestamp NOT NULL DEFAULT now(),
    CONSTRAINT uq_atividade_projeto UNIQUE (id_atividade, id_projeto)
);

CREATE TABLE apontamentos (
    id uuid NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    work_item_id integer NOT NULL,
    project_id varchar(255) NOT NULL,
    organization_name varchar(255) NOT NULL,
    data_apontamento date NOT NULL,
    id_atividade uuid NOT NULL,
    comentario varchar(500),
    usuario_id varchar(255) NOT NULL,
    usuario_nome varchar(255) NOT NULL,
    usuario_email varchar(255),
    criado_em timestamp NOT NULL DEFAULT now(),
    atualizado_em timestamp NOT NULL DEFAULT now(),
    duracao varchar(5) NOT NULL
);

CREATE TABLE organization_pats (
    id uuid NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    organization_name varchar(255) NOT NULL UNIQUE,
    organization_url varchar(500),
    pat_encrypted text NOT NULL,
    descricao text,
    expira_em timestamp,
    ativo boolean NOT NULL DEFAULT true,
    criado_por varchar(255),
    criado_em timestamp NOT NULL DEFAULT now(),
    atualizado_em timestamp NOT NULL DEFAULT now()
);

-- One per organisation, two names that differ in case only, one from before there were organisations, one whose
-- organisation cannot be one.
INSERT INTO projetos (id, external_id, nome, descricao, url, estado, last_sync_at, created_at, updated_at, organizacao) VALUES
    ('10000000-0000-4000-8000-000000000001', 'e0000000-0000-4000-8000-000000000001', 'Portal do Contribuinte', 'Serviços',
     'https://dev.azure.com/Contoso/_apis/projects/e1', 'wellFormed', '2026-01-20 12:00:00.123456+00',
     '2026-01-12 09:00:00-03', '2026-01-13 09:00:00-03', 'Contoso'),
    ('10000000-0000-4000-8000-000000000002', 'e0000000-0000-4000-8000-000000000002', 'PORTAL DO CONTRIBUINTE', NULL, NULL,
     'wellFormed', NULL, NULL, NULL, 'fabrikam'),
    ('10000000-0000-4000-8000-000000000003', 'e0000000-0000-4000-8000-000000000003', 'Nota Fiscal – Eletrônica 🧾', NULL, NULL,
     NULL, NULL, '2026-01-12 12:00:00+00', '2026-01-12 12:00:00+00', NULL),
    ('10000000-0000-4000-8000-000000000004', 'e0000000-0000-4000-8000-000000000004', 'Fora do lugar', NULL, NULL, NULL, NULL,
     '2026-01-12 12:00:00+00', '2026-01-12 12:00:00+00', 'contoso/../x');

INSERT INTO atividades (id, nome, descricao, ativo, criado_em, atualizado_em, criado_por) VALUES
    ('a0000000-0000-4000-8000-000000000001', 'Codificação', 'Histórias e correções', true,
     '2026-01-12 16:00:00.123456', '2026-01-13 00:30:00', 'ana@contoso.com'),
    ('a0000000-0000-4000-8000-000000000002', '  Reunião ', NULL, true, '2026-01-12 16:00:00', '2026-01-12 16:00:00', NULL),
    ('a0000000-0000-4000-8000-000000000003', '   ', NULL, true, '2026-01-12 16:00:00', '2026-01-12 16:00:00', NULL),
    ('a0000000-0000-4000-8000-000000000004', 'codificação', NULL, false, '2026-01-12 16:00:00', '2026-01-12 16:00:00', 'seed');

INSERT INTO atividade_projeto (id, id_atividade, id_projeto, criado_em) VALUES
    ('b0000000-0000-4000-8000-000000000001', 'a0000000-0000-4000-8000-000000000001', '10000000-0000-4000-8000-000000000003',
     '2026-01-16 10:00:00'),
    ('b0000000-0000-4000-8000-000000000002', 'a0000000-0000-4000-8000-000000000001', '10000000-0000-4000-8000-000000000001',
     '2026-01-16 11:00:00'),
    ('b0000000-0000-4000-8000-000000000003', 'a0000000-0000-4000-8000-000000000002', '10000000-0000-4000-8000-000000000002',
     '2026-01-16 11:00:00'),
    ('b0000000-0000-4000-8000-000000000004', 'a0000000-0000-4000-8000-000000000003', '10000000-0000-4000-8000-000000000004',
     '2026-01-16 11:00:00');

INSERT INTO apontamentos (id, work_item_id, project_id, organization_name, data_apontamento, id_atividade, comentario,
                          usuario_id, usuario_nome, usuario_email, criado_em, atualizado_em, duracao) VALUES
    -- Work item 101 of contoso: by GUID, by GUID in capitals, by name, by the project's own key; together 27:05.
    ('c0000000-0000-4000-8000-000000000001', 101, 'e0000000-0000-4000-8000-000000000001', 'contoso', '2026-01-19',
     'a0000000-0000-4000-8000-000000000001', 'Revisão: "çãé" 🧾', '3F0A5C11-2222-4B4B-8C8C-5D5D5D5D5D5D', 'Ana Exemplo',
     'ana@contoso.com', '2026-01-19 23:30:00.123456', '2026-01-20 01:00:00', '02:30'),
    ('c0000000-0000-4000-8000-000000000002', 101, 'E0000000-0000-4000-8000-000000000001', 'CONTOSO', '2026-01-19',
     'a0000000-0000-4000-8000-000000000002', NULL, '3f0a5c11-2222-4b4b-8c8c-5d5d5d5d5d5d', 'Ana Exemplo', NULL,
     '2026-01-19 23:30:00', '2026-01-19 23:30:00', '24:00'),
    ('c0000000-0000-4000-8000-000000000003', 101, 'portal do contribuinte', 'contoso', '2026-01-20',
     'a0000000-0000-4000-8000-000000000001', '', 'dev-user-001', 'Dev User', NULL, '2026-01-20 12:00:00', '2026-01-20 12:00:00', '0:20'),
    ('c0000000-0000-4000-8000-000000000004', 101, '10000000-0000-4000-8000-000000000001', 'contoso', '2026-01-20',
     'a0000000-0000-4000-8000-000000000004', NULL, 'dev-user-001', 'Dev User', NULL, '2026-01-20 12:00:00', '2026-01-20 12:00:00', '00:15'),
    -- The same number in another organisation, and a project that has no organisation yet.
    ('c0000000-0000-4000-8000-000000000005', 101, 'e0000000000040008000000000000002', 'Fabrikam', '2026-01-20',
     'a0000000-0000-4000-8000-000000000002', NULL, 'dev-user-001', 'Dev User', NULL, '2026-01-20 12:00:00', '2026-01-20 12:00:00', '01:00'),
    ('c0000000-0000-4000-8000-000000000006', 102, 'e0000000-0000-4000-8000-000000000003', 'contoso', '2026-01-20',
     'a0000000-0000-4000-8000-000000000003', NULL, 'dev-user-001', 'Dev User', NULL, '2026-01-20 12:00:00', '2026-01-20 12:00:00', '00:20'),
    -- Nothing of these can be kept.
    ('c0000000-0000-4000-8000-000000000011', 103, 'e0000000-0000-4000-8000-000000000001', 'contoso', '2026-01-20',
     'a0000000-0000-4000-8000-000000000001', NULL, 'x', 'X', NULL, now(), now(), '00:00'),
    ('c0000000-0000-4000-8000-000000000012', 103, 'e0000000-0000-4000-8000-000000000001', 'contoso', '2026-01-20',
     'a0000000-0000-4000-8000-000000000001', NULL, 'x', 'X', NULL, now(), now(), '7:5'),
    ('c0000000-0000-4000-8000-000000000013', 103, 'e0000000-0000-4000-8000-000000000001', 'contoso', '2026-01-20',
     'a0000000-0000-4000-8000-000000000001', NULL, 'x', 'X', NULL, now(), now(), '24:59'),
    ('c0000000-0000-4000-8000-000000000014', 103, 'Projeto Sumido', 'contoso', '2026-01-20',
     'a0000000-0000-4000-8000-000000000001', NULL, 'x', 'X', NULL, now(), now(), '01:00'),
    ('c0000000-0000-4000-8000-000000000015', 103, 'e0000000-0000-4000-8000-000000000004', 'contoso', '2026-01-20',
     'a0000000-0000-4000-8000-000000000001', NULL, 'x', 'X', NULL, now(), now(), '01:00'),
    ('c0000000-0000-4000-8000-000000000016', 103, 'e0000000-0000-4000-8000-000000000002', 'contoso', '2026-01-20',
     'a0000000-0000-4000-8000-000000000001', NULL, 'x', 'X', NULL, now(), now(), '01:00'),
    ('c0000000-0000-4000-8000-000000000017', 0, 'e0000000-0000-4000-8000-000000000001', 'contoso', '2026-01-20',
     'a0000000-0000-4000-8000-000000000001', NULL, 'x', 'X', NULL, now(), now(), '01:00'),
    ('c0000000-0000-4000-8000-000000000018', 103, 'e0000000-0000-4000-8000-000000000001', 'https://dev.azure.com/contoso',
     '2026-01-20', 'a0000000-0000-4000-8000-000000000001', NULL, 'x', 'X', NULL, now(), now(), '01:00'),
    -- An orphan: somebody removed the activity by hand.
    ('c0000000-0000-4000-8000-000000000019', 103, 'e0000000-0000-4000-8000-000000000001', 'contoso', '2026-01-20',
     'a0000000-0000-4000-8000-0000000000ff', NULL, 'x', 'X', NULL, now(), now(), '01:00');
ALTER TABLE apontamentos ADD CONSTRAINT apontamentos_id_atividade_fkey
    FOREIGN KEY (id_atividade) REFERENCES atividades (id) ON DELETE RESTRICT NOT VALID;

-- One that works, one that has expired, one encrypted with a key that is lost, one that only case tells from the first.
INSERT INTO organization_pats (id, organization_name, organization_url, pat_encrypted, descricao, expira_em, ativo,
                               criado_por, criado_em, atualizado_em) VALUES
    ('d0000000-0000-4000-8000-000000000001', 'contoso', NULL,
     'gAAAAABpZJdAAAECAwQFBgcICQoLDA0ODxT7WboZD58AUrJJFBE4lg2yMPoty_J8BkRbdm9RaOPp367tyBeclJ0rR7UD7ObTk2b8T9LDd9wULSdqyedptmo=',
     'Equipe', '2030-01-31 23:59:59', true, 'ana@contoso.com', '2026-01-25 10:00:00', '2026-01-26 10:00:00'),
    ('d0000000-0000-4000-8000-000000000002', 'Fabrikam', 'https://fabrikam.visualstudio.com',
     'gAAAAABpZJdAAAECAwQFBgcICQoLDA0ODxT7WboZD58AUrJJFBE4lg3gewnSFxBK2Kakp41vuiBsocsB0n-wZPyW2wcluHt9x362_ksREL3tNrfcBNFmyy4=',
     NULL, '2025-01-01 00:00:00', true, NULL, '2026-01-25 10:00:00', '2026-01-25 10:00:00'),
    ('d0000000-0000-4000-8000-000000000003', 'tailspin', NULL,
     'gAAAAABpZJdAAAECAwQFBgcICQoLDA0OD1brSVcnRzrnD0VyW8X8YMgXPWYvUC0eeM0DxndS2X1ms6g4Rpipk6WpNWZA_59IUsKuEHxaYkypWbpS-k_VyUw=',
     NULL, NULL, true, NULL, '2026-01-25 10:00:00', '2026-01-25 10:00:00'),
    ('d0000000-0000-4000-8000-000000000004', 'Contoso', NULL,
     'gAAAAABpZJdAAAECAwQFBgcICQoLDA0OD5GevGrui3fZ6M2BDLT2ILCLqnPl2BquirMTdhYWwt-nf3Mjfap-0LIRZuhbgBTO7aB8uesT7j7Y7HI99ExaqwM=',
     NULL, NULL, false, NULL, '2026-01-25 09:00:00', '2026-01-27 10:00:00');
