-- A database of the FastAPI service at its first revision (90324eefb107): projects and activities, no organisations, no time
-- entries; the project is a column of the activity, in which clients put a GUID of Azure DevOps or the project's own key.
CREATE SCHEMA legado;
SET search_path = legado;

CREATE TABLE alembic_version (version_num varchar(32) NOT NULL PRIMARY KEY);
INSERT INTO alembic_version VALUES ('90324eefb107');

CREATE TABLE projetos (
    id uuid NOT NULL PRIMARY KEY,
    external_id uuid NOT NULL,
    nome varchar NOT NULL,
    descricao text,
    url varchar,
    estado varchar,
    last_sync_at timestamptz DEFAULT now(),
    created_at timestamptz DEFAULT now(),
    updated_at timestamptz DEFAULT now()
);
CREATE UNIQUE INDEX ix_legado_projetos_external_id ON projetos (external_id);

CREATE TABLE atividades (
    id uuid NOT NULL PRIMARY KEY,
    nome varchar(255) NOT NULL,
    descricao text,
    ativo boolean NOT NULL,
    id_projeto uuid NOT NULL,
    criado_em timestamp NOT NULL,
    atualizado_em timestamp NOT NULL
);

INSERT INTO projetos (id, external_id, nome) VALUES
    ('10000000-0000-4000-8000-000000000001', 'e0000000-0000-4000-8000-000000000001', 'Portal do Contribuinte'),
    ('10000000-0000-4000-8000-000000000002', 'e0000000-0000-4000-8000-000000000002', 'Nota Fiscal');

INSERT INTO atividades (id, nome, descricao, ativo, id_projeto, criado_em, atualizado_em) VALUES
    ('a0000000-0000-4000-8000-000000000001', 'Codificação', NULL, true, 'e0000000-0000-4000-8000-000000000001',
     '2026-01-12 16:00:00.123456', '2026-01-12 16:00:00.123456'),
    ('a0000000-0000-4000-8000-000000000002', 'Reunião', 'Cerimônias', false, '10000000-0000-4000-8000-000000000002',
     '2026-01-12 23:30:00', '2026-01-13 01:00:00'),
    ('a0000000-0000-4000-8000-000000000003', 'Codificação', NULL, true, 'e0000000-0000-4000-8000-0000000000ff',
     '2026-01-12 16:00:00', '2026-01-12 16:00:00');
