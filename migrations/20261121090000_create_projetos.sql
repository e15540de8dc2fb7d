-- What lists are ordered by: the text without case and accents, the same on every server, whatever its locale. Marks
-- are stripped after decomposition (unaccent is not installed everywhere); lower() under "C" knows only ASCII, so the
-- letters that do not decompose are named.
CREATE FUNCTION sort_key(value text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN lower(translate(
        regexp_replace(normalize(value, NFKD), '[\u0300-\u036f]', '', 'g'),
        'ÆŒØÞÐĐŁĦŊΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩАБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯ',
        'æœøþðđłħŋαβγδεζηθικλμνξοπρστυφχψωабвгдежзийклмнопрстуфхцчшщъыьэюя'
    ) COLLATE "C");

-- Projects of Azure DevOps. A sync creates them with id = external_id; older databases hold other ids.
CREATE TABLE projetos (
    id uuid NOT NULL,
    external_id uuid NOT NULL,
    nome varchar NOT NULL,
    descricao text,
    url varchar,
    estado varchar,
    organizacao varchar,
    last_sync_at timestamptz DEFAULT now(),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    nome_ordem text COLLATE "C" NOT NULL GENERATED ALWAYS AS (sort_key(nome)) STORED,
    CONSTRAINT projetos_pkey PRIMARY KEY (id),
    CONSTRAINT projetos_external_id_key UNIQUE (external_id)
);

CREATE INDEX projetos_nome_ordem_id_idx ON projetos (nome_ordem, id);

-- clock_timestamp, not now(): of two transactions that change a row one after the other, the one that began
-- first may come last, and the time must not run backwards. A sync that finds nothing new moves only last_sync_at.
CREATE FUNCTION projetos_set_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := clock_timestamp();
    RETURN NEW;
END
$$;

CREATE TRIGGER projetos_set_updated_at
    BEFORE UPDATE ON projetos
    FOR EACH ROW WHEN (
        (OLD.id, OLD.external_id, OLD.nome, OLD.descricao, OLD.url, OLD.estado, OLD.organizacao)
        IS DISTINCT FROM
        (NEW.id, NEW.external_id, NEW.nome, NEW.descricao, NEW.url, NEW.estado, NEW.organizacao)
    )
    EXECUTE FUNCTION projetos_set_updated_at();
