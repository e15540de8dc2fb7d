-- Tenants. A transaction of a caller names the caller's organisations in a setting that ends with it; row-level security
-- shows it their rows and no others, and none at all when nothing is named. Synchronisation, vault and sample data run under
-- a role of their own. FORCE: the owner of the tables is no exception.
--
-- The setting is a list of names. An empty name ('contoso,') stands for rows that have no organisation, '*' for everything;
-- without a setting the list is empty.
CREATE FUNCTION organizacoes_do_chamador() RETURNS text[]
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN string_to_array(coalesce(current_setting('aponta.organizacoes', true), ''), ',');

-- One spelling for every organisation: Azure DevOps does not tell Contoso from contoso.
UPDATE projetos SET organizacao = nullif(lower(btrim(organizacao)), '')
 WHERE organizacao <> lower(btrim(organizacao)) OR organizacao = '';
ALTER TABLE projetos ADD CONSTRAINT projetos_organizacao_check CHECK (organizacao = lower(organizacao) AND organizacao <> '');
CREATE INDEX projetos_organizacao_idx ON projetos (organizacao);

ALTER TABLE projetos ENABLE ROW LEVEL SECURITY;
ALTER TABLE projetos FORCE ROW LEVEL SECURITY;
-- Rows from older databases have no organisation until a sync gives them theirs; members of the default one see them.
CREATE POLICY projetos_organizacao ON projetos
    USING (ARRAY['*', coalesce(organizacao, '')]::text[] && (SELECT organizacoes_do_chamador()))
    WITH CHECK (ARRAY['*', organizacao]::text[] && (SELECT organizacoes_do_chamador()));

-- PATs of organisations, encrypted. The key's id is kept so that keys can be replaced one by one.
CREATE TABLE organization_pats (
    id uuid NOT NULL,
    organizacao varchar(64) NOT NULL,
    organization_url varchar(500) NOT NULL,
    pat_cifrado bytea NOT NULL,
    chave_id varchar(16) NOT NULL,
    descricao text,
    expira_em timestamptz,
    ativo boolean NOT NULL DEFAULT true,
    validado_em timestamptz,
    criado_por varchar(255),
    criado_em timestamptz NOT NULL DEFAULT now(),
    atualizado_em timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT organization_pats_pkey PRIMARY KEY (id),
    CONSTRAINT organization_pats_organizacao_key UNIQUE (organizacao),
    CONSTRAINT organization_pats_organizacao_check CHECK (organizacao = lower(organizacao) AND organizacao <> '')
);

ALTER TABLE organization_pats ENABLE ROW LEVEL SECURITY;
ALTER TABLE organization_pats FORCE ROW LEVEL SECURITY;
CREATE POLICY organization_pats_organizacao ON organization_pats
    USING (ARRAY['*', organizacao]::text[] && (SELECT organizacoes_do_chamador()))
    WITH CHECK (ARRAY['*', organizacao]::text[] && (SELECT organizacoes_do_chamador()));

CREATE FUNCTION organization_pats_set_atualizado_em() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.atualizado_em := clock_timestamp();
    RETURN NEW;
END
$$;

-- A re-encryption is no change that anybody would notice.
CREATE TRIGGER organization_pats_set_atualizado_em
    BEFORE UPDATE ON organization_pats
    FOR EACH ROW WHEN (
        (OLD.organization_url, OLD.descricao, OLD.expira_em, OLD.ativo, OLD.validado_em)
        IS DISTINCT FROM
        (NEW.organization_url, NEW.descricao, NEW.expira_em, NEW.ativo, NEW.validado_em)
        OR (OLD.pat_cifrado <> NEW.pat_cifrado AND OLD.chave_id = NEW.chave_id)
    )
    EXECUTE FUNCTION organization_pats_set_atualizado_em();

-- Who did what, when. Rows are added and never changed; the trigger holds it against everybody, the grants against us.
CREATE TABLE auditoria (
    id bigint GENERATED ALWAYS AS IDENTITY,
    em timestamptz NOT NULL DEFAULT clock_timestamp(),
    usuario_id varchar(255) NOT NULL,
    usuario_nome varchar(255) NOT NULL,
    organizacao varchar(64),
    acao varchar(64) NOT NULL,
    objeto_tipo varchar(64) NOT NULL,
    objeto_id varchar(255),
    antes jsonb,
    depois jsonb,
    request_id varchar(64),
    CONSTRAINT auditoria_pkey PRIMARY KEY (id)
);

CREATE INDEX auditoria_organizacao_id_idx ON auditoria (organizacao, id);
CREATE INDEX auditoria_objeto_tipo_objeto_id_id_idx ON auditoria (objeto_tipo, objeto_id, id);
CREATE INDEX auditoria_usuario_id_id_idx ON auditoria (usuario_id, id);

ALTER TABLE auditoria ENABLE ROW LEVEL SECURITY;
ALTER TABLE auditoria FORCE ROW LEVEL SECURITY;
-- What concerns no organisation is seen by administrators of the default one, and may be written by everybody.
CREATE POLICY auditoria_organizacao ON auditoria
    USING (ARRAY['*', coalesce(organizacao, '')]::text[] && (SELECT organizacoes_do_chamador()))
    WITH CHECK (organizacao IS NULL OR ARRAY['*', organizacao]::text[] && (SELECT organizacoes_do_chamador()));

CREATE FUNCTION auditoria_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'auditoria is append-only' USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER auditoria_refuse_change
    BEFORE UPDATE OR DELETE OR TRUNCATE ON auditoria
    FOR EACH STATEMENT EXECUTE FUNCTION auditoria_refuse_change();

DO $$
DECLARE
    tabela text;
BEGIN
    FOREACH tabela IN ARRAY ARRAY['projetos', 'organization_pats', 'auditoria'] LOOP
        EXECUTE format('CREATE POLICY %I ON %I TO %I USING (true) WITH CHECK (true)',
            tabela || '_maintenance', tabela, current_schema() || '_maintenance');
    END LOOP;
END
$$;
